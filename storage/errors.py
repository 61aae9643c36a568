"""What can go wrong in storage, in words that callers branch on.

`retryable` says whether the same call can succeed later without anybody changing anything.
"""


class StorageError(Exception):
    """Any failure of storage; the message is one sentence for a person."""

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
    """A project, reference or artifact id has characters that a key may not have."""


class Conflict(StorageError):
    """Somebody else changed the object first: read it again and decide."""

    retryable = True


class StorageUnavailable(StorageError):
    """The S3 server or the database does not answer."""

    retryable = True


class StorageRefused(StorageError):
    """The S3 server answers, and refuses: wrong credentials or missing rights."""


class UnsafeStore(StorageError):
    """The S3 server accepts a second create-only PUT, so nothing can be promised on it."""
