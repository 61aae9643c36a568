"""What can go wrong at the gateway. Each message is one sentence for a person."""


class GatewayError(Exception):
    """Any failure of the gateway or the embedded stack."""


class PartDidNotStart(GatewayError):
    """A server of the embedded stack did not come up; the message quotes its log."""


class NotReachable(GatewayError):
    """A part that the environment names does not answer."""


class WrongInput(GatewayError):
    """A person asked for something that cannot be meant."""
