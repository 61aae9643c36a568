"""What the gateway is assembled from; routes and pages receive it."""

from dataclasses import dataclass

from flows.platform import Platform
from gateway.jobs import Jobs
from gateway.limits import RateLimits
from gateway.questions import Questions
from gateway.tokens import Tokens
from gateway.webhooks import Webhooks


@dataclass(frozen=True)
class Services:
    """The parts of a running gateway."""

    platform: Platform
    tokens: Tokens
    jobs: Jobs
    webhooks: Webhooks
    questions: Questions
    limits: RateLimits
