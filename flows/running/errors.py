"""What can go wrong in flows. Each message is one sentence for a person."""

from media.errors import ItemError
from storage.errors import StorageError
from training.pipeline import TrainingError


class FlowError(Exception):
    """Any failure of a flow that is not a model's or the storage's."""


class NotReachable(FlowError):
    """A server that the environment or stack.env names does not answer, or refuses our credential."""

    retryable = True


class RunFailed(FlowError):
    """A run that this one waited for did not complete."""

    retryable = True


class RunCrashed(FlowError):
    """Every process that worked on a run ended, as often as it was begun."""


class RunRefused(FlowError):
    """A run that this one waited for cannot be done before a person changes something."""


class NothingToDo(FlowError):
    """The request names nothing that the flow could work on."""


class AddressRefused(FlowError):
    """An address that Triptych does not fetch from."""


class DownloadFailed(FlowError):
    """The address was asked and gave no file."""

    retryable = True


EXPECTED = (FlowError, ItemError, StorageError, TrainingError)
"""What a person can understand and act on: shown as a sentence, without a traceback."""
