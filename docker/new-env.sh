#!/bin/sh
# Writes docker/.env, or the file that is named: docker/example.env with a random value for every empty secret.
set -eu
here=$(dirname "$0")
target=${1:-$here/.env}
[ ! -e "$target" ] || { echo "$target is there already: its secrets are in use, so it is not written again." >&2; exit 2; }
umask 077
while IFS= read -r line; do
    case $line in
        TRIPTYCH_TORCH_INDEX=) printf '%s\n' "$line" ;;
        TRIPTYCH_*=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
        *) printf '%s\n' "$line" ;;
    esac
done < "$here/example.env" > "$target.new"
mv "$target.new" "$target"
