"""Errors of one file, and the base of all errors that concern one item. Each message is one sentence for a person."""


class ItemError(Exception):
    """One file, record or request failed; everything else goes on. `retryable`: the same may succeed later."""

    retryable = False


class UnsupportedMedia(ItemError):
    """The bytes are of a type that Triptych does not take."""


class UnreadableMedia(ItemError):
    """The bytes claim to be a picture, a sound or a text, and cannot be read as one."""


class DecoderFailed(ItemError):
    """The process that decodes files was killed from outside, so the type of the file is unknown."""

    retryable = True
