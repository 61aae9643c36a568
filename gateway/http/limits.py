"""Rate limits for people and for wrong tokens."""

import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import TooBusy
from gateway.tokens import Person

_WRONG_TOKENS = parse("60/minute")


class RateLimits:
    """Count requests per person, and wrong tokens per client address, in fixed windows."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, person: Person) -> None:
        """Count one request of a person. Raises TooBusy."""
        if not self._limiter.hit(self._rate, "person", person.project, person.name):
            window = self._limiter.get_window_stats(self._rate, "person", person.project, person.name)
            raise TooBusy(f"{person.name} asks more often than {self._rate}.", window.reset_time - time.time())

    def count_wrong_token(self, address: str) -> None:
        """Count a wrong token from an address. Raises TooBusy if too many came from there."""
        if not self._limiter.hit(_WRONG_TOKENS, "address", address):
            raise TooBusy("Too many wrong tokens came from this address.", 60.0)
