"""Migrate a bucket of an older format to the current one, and list its artifacts in the library."""

from collections.abc import Callable

from flows.library.listing import rebuild_listing
from flows.running.platform import Platform
from storage.care.bucket_format import FORMAT, migrate
from storage.records import list_projects


def migrate_bucket(platform: Platform, report: Callable[[str], None] = lambda _: None) -> int | None:
    """Migrate the bucket; return the version it had, None if it was new. Raises WrongFormat for a newer format."""
    version = migrate(platform.bucket, report)
    if version is not None and version < FORMAT:
        for project in list_projects(platform.bucket):
            space = platform.space(project)
            records, unreadable = space.records.read_all()
            for reason in unreadable.values():
                report(reason)
            rebuild_listing(space, records, unreadable)
    return version
