"""Errors of the gateway. Each message is one sentence for a person."""


class GatewayError(Exception):
    """Base class of the gateway's errors."""


class RunDidNotComplete(GatewayError):
    """A run ended in another state than Completed."""


class WrongInput(GatewayError):
    """The request is invalid; it fails again unless it is changed."""


class NotSignedIn(WrongInput):
    """The token is missing, wrong or revoked."""


class NotAllowed(WrongInput):
    """The person's role does not permit the request."""


class NotFound(WrongInput):
    """The person's project has nothing with this name or id."""


class AlreadyExists(WrongInput):
    """The name or idempotency key is in use."""


class TooBusy(GatewayError):
    """A rate limit or the queue's limit is exceeded; retry after `retry_after_seconds`."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
