"""Migration: a bucket of an older format is brought to ours, and its artifacts into the lists."""

from collections.abc import Callable

from flows.library.listing import rebuild_listing
from flows.running.platform import Platform
from storage.care.bucket_format import FORMAT, migrate
from storage.records import projects


def migrate_bucket(platform: Platform, report: Callable[[str], None] = lambda _: None) -> int | None:
    """Bring the bucket to our format; the version it had, None for a new one. Raises WrongFormat for a newer one."""
    version = migrate(platform.bucket, report)
    if version is not None and version < FORMAT:
        for project in projects(platform.bucket):
            space = platform.space(project)
            rebuild_listing(space, list(space.records.all()))
    return version
