"""The inbox of each project: `inbox/<project>/`. Files of the inbox outside of them belong to the project `default`."""

from collections.abc import Sequence

from flows.running.errors import FlowError
from storage.bucket import Bucket
from storage.names import is_project
from storage.objects import StoredObject

ROOT = "inbox/"
DEFAULT = "default"
"""The project of the files that lie in the inbox itself, as they all did before projects had inboxes of their own."""


class WrongInbox(FlowError):
    """The folder is not in the inbox of the project."""


def project_inbox(project: str) -> str:
    """Return the folder that people drop files of a project into."""
    return f"{ROOT}{project}/"


def checked_folder(prefix: str, project: str) -> str:
    """Return the folder to process; the project's inbox by default. Raises WrongInbox for one of another project."""
    own = project_inbox(project)
    if prefix and not prefix.startswith(own) and not (project == DEFAULT and prefix == ROOT):
        raise WrongInbox(f"{prefix} is not in the inbox of the project {project}, which is {own}.")
    return prefix or own


def list_files(bucket: Bucket, folder: str) -> list[StoredObject]:
    """List the files of a folder of the inbox, without those of other projects if it is the whole inbox."""
    found = [each for each in bucket.objects(folder) if not each.key.endswith("/")]
    if folder != ROOT:
        return found
    others = set(waiting_projects(bucket, found)) - {DEFAULT}
    return [each for each in found if _first_folder(each.key) not in others]


def waiting_projects(bucket: Bucket, found: Sequence[StoredObject]) -> list[str]:
    """Return the projects that have files in their inboxes.

    A folder is a project's if the project has anything in the bucket, which it has from its first token on; other
    folders are just folders.
    """
    folders = sorted({folder for each in found if (folder := _first_folder(each.key))})
    return [
        name
        for name in folders
        if is_project(name) and (name == DEFAULT or any(True for _ in bucket.objects(f"{name}/")))
    ]


def quarantine_path(key: str, project: str) -> str:
    """Return where an object of the inbox goes that cannot be read: `quarantine/<project>/…`."""
    return f"quarantine/{project}/{key.removeprefix(ROOT).removeprefix(f'{project}/')}"


def _first_folder(key: str) -> str:
    folder, slash, _ = key.removeprefix(ROOT).partition("/")
    return folder if slash else ""
