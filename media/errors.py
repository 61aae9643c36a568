"""Errors about one file, and the base class of errors about one item. Each message is one sentence for a person."""


class ItemError(Exception):
    """The failure of one file, record or request; the others of a batch continue. `retryable`: a retry can succeed."""

    retryable = False


class UnsupportedMedia(ItemError):
    """The file is of a type that Triptych does not accept, or exceeds a limit."""


class UnreadableMedia(ItemError):
    """The file is of an accepted type by its signature, but its content cannot be decoded."""


class DecoderFailed(ItemError):
    """The decoder process did not start, or was killed from outside, so the type of the file is unknown."""

    retryable = True
    is_about_the_file = True


class DecoderUnavailable(DecoderFailed):
    """No decoder process can be started. This says nothing about any file."""

    is_about_the_file = False
