"""The services that routes and pages receive."""

from asyncio import Semaphore
from dataclasses import dataclass
from functools import cached_property

from flows.running.platform import Platform
from flows.suggesting.suggest import Suggester
from gateway.http.instant_translation import InstantTranslation
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.webhooks import Webhooks
from gateway.http.languages import LanguageOut, list_out
from gateway.http.limits import RateLimits
from gateway.http.query_embeddings import QueryEmbeddings
from gateway.tokens import Tokens


@dataclass(frozen=True)
class Services:
    """The services of a running gateway, created once by `create_app`."""

    platform: Platform
    tokens: Tokens
    jobs: Jobs
    webhooks: Webhooks
    query_embeddings: QueryEmbeddings
    instant_translation: InstantTranslation
    limits: RateLimits

    @cached_property
    def suggester(self) -> Suggester:
        """Keeps the factors of each project in memory."""
        return Suggester()

    @cached_property
    def writing_slot(self) -> Semaphore:
        """Acquire it around writing in this process: one text at a time."""
        return Semaphore(1)

    @cached_property
    def languages(self) -> list[LanguageOut]:
        """The languages that the profile's models translate; listed once, since each pair is a search for a route."""
        return list_out(self.platform.catalogue)
