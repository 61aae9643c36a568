"""What the gateway is assembled from; routes and pages receive it."""

from dataclasses import dataclass

from flows.running.platform import Platform
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.webhooks import Webhooks
from gateway.http.limits import RateLimits
from gateway.http.query_embeddings import Questions
from gateway.tokens import Tokens


@dataclass(frozen=True)
class Services:
    """The parts of a running gateway."""

    platform: Platform
    tokens: Tokens
    jobs: Jobs
    webhooks: Webhooks
    questions: Questions
    limits: RateLimits
