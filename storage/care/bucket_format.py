"""The format version of a bucket, stored in format.json, and the migrations from older versions."""

import json
import unicodedata
from collections.abc import Callable

from storage.bucket import Bucket
from storage.care.object_store import ObjectStore
from storage.errors import InvalidName, ObjectNotFound, StorageError
from storage.labels import Labels, checked_label
from storage.records import Records, list_projects

FORMAT_KEY = "format.json"
FORMAT = 1
"""1: labels are valid for `checked_label`, and changed ones are in refs/labels/. 0: a bucket without format.json."""
_LONGEST_LABEL = 64


class WrongFormat(StorageError):
    """The bucket has another format than this version of Triptych."""


def read_format(store: ObjectStore) -> int | None:
    """The format version; None for an empty store. Raises WrongFormat when it cannot be read."""
    try:
        return int(json.loads(store.get(FORMAT_KEY))["version"])
    except ObjectNotFound:
        has_records = any("/artifacts/" in found.key for found in store.objects(""))
        return 0 if has_records else None
    except (ValueError, KeyError, TypeError) as error:
        raise WrongFormat(f"{FORMAT_KEY} in the bucket cannot be read: restore it from a backup.") from error


def check_format(store: ObjectStore) -> None:
    """Raise WrongFormat when the format is neither ours nor that of an empty store."""
    version = read_format(store)
    if version is None or version == FORMAT:
        return
    if version > FORMAT:
        raise WrongFormat(
            f"The bucket has format {version}, and this version of Triptych knows formats up to {FORMAT}: "
            "use a newer Triptych."
        )
    raise WrongFormat(f"The bucket has format {version}, and this version needs {FORMAT}: run `triptych migrate`.")


def migrate(bucket: Bucket, report: Callable[[str], None] = lambda _: None) -> int | None:
    """Migrate the bucket to the current format; returns the version before, None for a new bucket.

    Idempotent: a migration that was interrupted is repeated by the next call.
    """
    version = read_format(bucket)
    if version is not None and version >= FORMAT:
        check_format(bucket)
        return version
    for step in range(version if version is not None else FORMAT, FORMAT):
        report(f"bringing the bucket from format {step} to {step + 1}")
        _STEPS[step](bucket)
    # Last, so that an interrupted migration is repeated.
    bucket.put(FORMAT_KEY, json.dumps({"version": FORMAT}).encode(), media_type="application/json")
    return version


def _make_labels_valid(bucket: Bucket) -> None:
    """Replace labels that `checked_label` refuses; in format 0 a label could be any text."""
    for project in list_projects(bucket):
        labels = Labels(bucket, project)
        readable, _ = labels.of_many(Records(bucket, project).read_all()[0])
        for sha256, words in readable.items():
            wrong = [label for label in words if not _is_valid_label(label)]
            if wrong:
                labels.change(sha256, add=filter(None, map(_valid_label, wrong)), remove=wrong)


def _is_valid_label(word: str) -> bool:
    try:
        return checked_label(word) == word
    except InvalidName:
        return False


def _valid_label(text: str) -> str:
    shown = "".join(c if c.isprintable() and c != "," else " " for c in unicodedata.normalize("NFC", text))
    return " ".join(shown.split())[:_LONGEST_LABEL].strip()


_STEPS: dict[int, Callable[[Bucket], None]] = {0: _make_labels_valid}
