"""The answers of a job that ends without some of them: those that are there are yielded, then an error is raised."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows.running.platform import Platform
from gateway.errors import GatewayError, RunDidNotComplete, WrongInput
from gateway.http.access import Caller
from gateway.http.instant_translation import InstantTranslation
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.webhooks import Webhooks
from gateway.http.limits import RateLimits
from gateway.http.openai.job_answers import follow_answers, in_order
from gateway.http.query_embeddings import QueryEmbeddings
from gateway.http.services import Services
from gateway.tokens import Person, Tokens
from modalities.generation.requests import GeneratedImage, GenerateImage
from storage.artifacts import Artifact


class Prefect:
    """What a followed job reads from Prefect: one run that has ended, without progress and without deployments."""

    def __init__(self, run: FlowRun) -> None:
        self.run = run

    async def read_flow_runs(self, **_: Any) -> list[FlowRun]:
        return [self.run]

    async def read_artifacts(self, **_: Any) -> list[Any]:
        return []

    async def read_deployments(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (State(type=StateType.CANCELLED, name="Cancelled"), RunDidNotComplete),
        (State(type=StateType.FAILED, name="Failed", message="no memory"), RunDidNotComplete),
        (State(type=StateType.CRASHED, name="Crashed"), RunDidNotComplete),
        (State(type=StateType.FAILED, name="Refused", message="too large"), WrongInput),
    ],
)
async def test_a_job_that_ends_without_all_answers_is_an_error_after_those_that_are_there(
    platform: Platform, project: str, ended: State[Any], expected: type[GatewayError]
) -> None:
    run = FlowRun(id=uuid4(), flow_id=uuid4(), state=ended, state_id=uuid4(), parameters={"project": project})
    offline = platform.settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api"})
    jobs = Jobs(Platform(offline), Prefect(run), lambda _: None)  # type: ignore[arg-type]
    services = Services(
        platform=platform,
        tokens=Tokens(platform.bucket),
        jobs=jobs,
        webhooks=Webhooks(platform.bucket, local=True),
        query_embeddings=QueryEmbeddings(),
        instant_translation=InstantTranslation(),
        limits=RateLimits("100/minute"),
    )
    caller = Caller(Person(name="maker", role="maker", project=project), project, services)
    requests = [
        GenerateImage(model="icons", prompt="cat", seed=seed, steps=2, guidance=1, width=64, height=64)
        for seed in range(3)
    ]
    picture = Artifact(sha256="0" * 64, media_type="image/png", size=1)
    for seed in (0, 2):
        caller.space.answers.keep(requests[seed], GeneratedImage(image=picture, seed=seed, width=64, height=64))
    async with jobs._watcher.running():  # pyright: ignore[reportPrivateUsage]
        job = await jobs.get(project, run.id)
        numbers, seeds = list[int](), list[int]()
        with pytest.raises(expected):
            await collect(numbers, (number async for number, _ in follow_answers(caller, job, requests)))
        with pytest.raises(expected):
            await collect(seeds, (each.seed async for each in in_order(follow_answers(caller, job, requests))))
        assert (numbers, seeds) == ([0, 2], [0])
        assert [number async for number, _ in follow_answers(caller, job, requests[:1])] == [0]


async def collect(found: list[int], values: AsyncIterator[int]) -> None:
    """Append the values until there are no more; those before an error are kept."""
    async for value in values:
        found.append(value)  # noqa: PERF401 (a comprehension would lose those before the error)
