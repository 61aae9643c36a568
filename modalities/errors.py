"""Errors of models and requests. Each message is one sentence for a person."""

from media.errors import DecoderFailed, ItemError, UnreadableMedia, UnsupportedMedia

__all__ = [
    "ArtifactLost",
    "DecoderFailed",
    "InvalidCatalogue",
    "InvalidRequest",
    "ItemError",
    "LicenceNotAcknowledged",
    "ModelFault",
    "ModelUnavailable",
    "NotEnoughMemory",
    "UnknownLanguage",
    "UnknownModel",
    "UnknownVersion",
    "UnreadableMedia",
    "UnsupportedLanguagePair",
    "UnsupportedMedia",
]


class ModelFault(ItemError):
    """The model cannot be used. This says nothing about the request or its file, which can be tried again later."""


class ArtifactLost(ItemError):
    """The bytes of an artifact that the request is about are missing, or not those of its hash."""


class UnknownModel(ModelFault):
    """No model of this name, or none for this purpose, is in the catalogue."""


class InvalidCatalogue(ModelFault):
    """configs/models.yaml is not valid."""


class ModelUnavailable(ModelFault):
    """The weights are missing, unreadable, or not those that the catalogue names."""


class UnknownVersion(ModelFault):
    """No version of the model was published under this digest or alias."""


class LicenceNotAcknowledged(ModelFault):
    """The model's licence forbids commercial use, and the configuration does not acknowledge that."""


class UnsupportedLanguagePair(ItemError):
    """No configured model translates from this language to that."""


class UnknownLanguage(ItemError):
    """The language of a text is not given and cannot be detected."""


class InvalidRequest(ItemError):
    """The model does not support what the request asks for."""


class NotEnoughMemory(ModelFault):
    """The model does not fit into the memory budget, or memory ran out while it ran."""
