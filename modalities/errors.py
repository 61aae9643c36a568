"""Errors of models and requests. Each message is one sentence for a person."""

from media.errors import DecoderFailed, ItemError, UnreadableMedia, UnsupportedMedia

__all__ = [
    "DecoderFailed",
    "InvalidCatalogue",
    "InvalidRequest",
    "ItemError",
    "LicenceNotAcknowledged",
    "ModelUnavailable",
    "NotEnoughMemory",
    "UnknownLanguage",
    "UnknownModel",
    "UnknownVersion",
    "UnreadableMedia",
    "UnsupportedLanguagePair",
    "UnsupportedMedia",
]


class UnknownModel(ItemError):
    """No model of this name, or none for this purpose, is in the catalogue."""


class InvalidCatalogue(ItemError):
    """configs/models.yaml is not valid."""


class ModelUnavailable(ItemError):
    """The weights are missing, unreadable, or not those that the catalogue names."""


class UnknownVersion(ItemError):
    """No version of the model was published under this digest or alias."""


class LicenceNotAcknowledged(ItemError):
    """The model's licence forbids commercial use, and the configuration does not acknowledge that."""


class UnsupportedLanguagePair(ItemError):
    """No configured model translates from this language to that."""


class UnknownLanguage(ItemError):
    """The language of a text is not given and cannot be detected."""


class InvalidRequest(ItemError):
    """The model does not support what the request asks for."""


class NotEnoughMemory(ItemError):
    """The model does not fit into the memory budget, or memory ran out while it ran."""
