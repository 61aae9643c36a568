"""The errors of flows. Each message is one sentence for a person."""

from media.errors import ItemError
from storage.errors import StorageError
from training.pipeline import TrainingError


class FlowError(Exception):
    """Base class of the errors below. Models and storage have base classes of their own."""


class NotReachable(FlowError):
    """A server named in the environment or in stack.env does not answer, or rejects our credential."""

    retryable = True


class RunFailed(FlowError):
    """A flow run that this one waited for did not complete."""

    retryable = True


class RunCrashed(FlowError):
    """Every attempt of a flow run ended with the death of its process."""


class RunRefused(FlowError):
    """A flow run that this one waited for cannot succeed until a person changes its parameters or the configuration."""


class FilesWait(FlowError):
    """Files are stored and wait for something of the platform's own, such as a model that cannot be loaded."""

    retryable = True


class NothingToDo(FlowError):
    """The request names nothing that the flow could work on."""


class AddressRefused(FlowError):
    """The URL is not one that Triptych downloads from."""


class DownloadFailed(FlowError):
    """The server was contacted and did not deliver the file."""

    retryable = True


EXPECTED = (FlowError, ItemError, StorageError, TrainingError)
"""Errors whose message a person can act on. They are shown as one sentence, without a traceback."""
