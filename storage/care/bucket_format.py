"""Format: the version of the layout of a bucket, in the bucket. Migrations bring an older one to ours."""

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
"""1: labels are words as `checked_label` has them, and change in refs/labels/. 0: before there was a format.json."""
_LONGEST_LABEL = 64


class WrongFormat(StorageError):
    """The bucket has another format than this version of Triptych."""


def read_format(place: ObjectStore) -> int | None:
    """The version; None in a place that was never written to."""
    try:
        return int(json.loads(place.get(FORMAT_KEY))["version"])
    except ObjectNotFound:
        has_records = any("/artifacts/" in found.key for found in place.objects(""))
        return 0 if has_records else None
    except (ValueError, KeyError, TypeError) as error:
        raise WrongFormat(f"{FORMAT_KEY} in the bucket cannot be read: restore it from a backup.") from error


def check_format(place: ObjectStore) -> None:
    """Raises WrongFormat for what this version does not read and write."""
    version = read_format(place)
    if version is None or version == FORMAT:
        return
    if version > FORMAT:
        raise WrongFormat(
            f"The bucket has format {version}, and this version of Triptych knows formats up to {FORMAT}: "
            "use a newer Triptych."
        )
    raise WrongFormat(f"The bucket has format {version}, and this version needs {FORMAT}: run `triptych migrate`.")


def migrate(bucket: Bucket, report: Callable[[str], None] = lambda _: None) -> int | None:
    """Bring the bucket to our format. The version it had; None for a new one. Can be cut off and run again."""
    version = read_format(bucket)
    if version is not None and version >= FORMAT:
        check_format(bucket)
        return version
    for step in range(version if version is not None else FORMAT, FORMAT):
        report(f"bringing the bucket from format {step} to {step + 1}")
        _STEPS[step](bucket)
    # Last: whoever is cut off before begins anew.
    bucket.put(FORMAT_KEY, json.dumps({"version": FORMAT}).encode(), media_type="application/json")
    return version


def _labels_become_words(bucket: Bucket) -> None:
    """Labels could be any text once."""
    for project in list_projects(bucket):
        labels = Labels(bucket, project)
        for record in Records(bucket, project).all():
            wrong = [label for label in labels.of(record) if not _is_label(label)]
            if wrong:
                labels.change(record.artifact.sha256, add=filter(None, map(_as_label, wrong)), remove=wrong)


def _is_label(word: str) -> bool:
    try:
        return checked_label(word) == word
    except InvalidName:
        return False


def _as_label(text: str) -> str:
    shown = "".join(c if c.isprintable() and c != "," else " " for c in unicodedata.normalize("NFC", text))
    return " ".join(shown.split())[:_LONGEST_LABEL].strip()


_STEPS: dict[int, Callable[[Bucket], None]] = {0: _labels_become_words}
