"""What can go wrong at the gateway. Each message is one sentence for a person."""


class GatewayError(Exception):
    """Any failure of the gateway."""


class RunDidNotComplete(GatewayError):
    """The run ended in another state than Completed."""


class WrongInput(GatewayError):
    """A person asked for something that cannot be meant."""


class NotSignedIn(WrongInput):
    """Nobody knows who asks: the token is missing, wrong or revoked."""


class NotAllowed(WrongInput):
    """The person's role does not include this."""


class NotThere(WrongInput):
    """The person's project has nothing of this name or id."""


class AlreadyThere(WrongInput):
    """Another thing has this name or key already."""


class TooBusy(GatewayError):
    """More is asked than can be done soon; `retry_after_seconds` says when to ask again."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
