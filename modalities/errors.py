"""What can go wrong with models and media. Each message is one sentence for a person."""


class ModalityError(Exception):
    """Any failure of a modality; `retryable` says whether the same request can succeed later."""

    retryable = False


class UnknownModel(ModalityError):
    """No model of this name, or none for this purpose, is in the catalogue."""


class InvalidCatalogue(ModalityError):
    """configs/models.yaml says something that cannot be meant."""


class ModelUnavailable(ModalityError):
    """The weights are not where the catalogue says, or are not what it says."""


class UnknownVersion(ModalityError):
    """No version of the model was published under this digest or alias."""


class LicenceNotAcknowledged(ModalityError):
    """The model's licence forbids commercial use and nobody has acknowledged that in the configuration."""


class UnsupportedLanguagePair(ModalityError):
    """No configured model translates from this language to that."""


class UnknownLanguage(ModalityError):
    """Nobody named the language of a text, and it cannot be told from the text."""


class UnsupportedMedia(ModalityError):
    """The bytes are of a type that Triptych does not take."""


class UnreadableMedia(ModalityError):
    """The bytes claim to be a picture, a sound or a text, and cannot be read as one."""


class DecoderFailed(ModalityError):
    """The process that reads files from outside was ended from outside, and nobody can say what a file is."""

    retryable = True


class InvalidRequest(ModalityError):
    """The model cannot do what the request asks."""


class NotEnoughMemory(ModalityError):
    """The model does not fit into the memory of this machine."""
