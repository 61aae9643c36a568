"""The errors of storage. `retryable` says whether the same call can succeed later without a change."""


class StorageError(Exception):
    """Any failure of storage; the message is one sentence for the user."""

    retryable = False


class ObjectNotFound(StorageError):
    """Nothing is stored under this key."""


class ArtifactNotFound(StorageError):
    """The project has no artifact with this id."""


class ArtifactCorrupt(StorageError):
    """The stored bytes do not have the hash that names them."""


class RecordCorrupt(StorageError):
    """A record or a recipe cannot be read."""


class TooLarge(StorageError):
    """More bytes arrived than the caller allows."""


class InvalidName(StorageError):
    """A project, reference, label or artifact id has characters that are not allowed in it."""


class Conflict(StorageError):
    """A compare-and-swap failed because the object has changed: read it again."""

    retryable = True


class StorageUnavailable(StorageError):
    """The S3 server or the database does not answer."""

    retryable = True


class StorageRefused(StorageError):
    """The S3 server denies access: wrong credentials or missing rights."""


class UnsafeStore(StorageError):
    """The S3 server ignores the condition of a conditional write, so no guarantee of storage holds on it."""
