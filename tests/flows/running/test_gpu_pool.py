"""Bisection finds the requests that crash the worker; all others are answered."""

import pytest

from flows.running.errors import RunCrashed, RunFailed
from flows.running.gpu_pool import bisect_crashes


@pytest.mark.parametrize("poison", [[], [0], [63], [17, 18], list(range(5))])
async def test_only_the_requests_that_crash_a_worker_stay_unanswered(poison: list[int]) -> None:
    answered: list[int] = []
    runs = 0

    async def run(requests: list[int]) -> None:
        nonlocal runs
        runs += 1
        if set(requests) & set(poison):
            raise RunCrashed("the process ended by SIGSEGV")
        answered.extend(requests)

    crashing = await bisect_crashes(list(range(64)), run)
    assert [request for request, _ in crashing] == poison
    assert sorted(answered) == [number for number in range(64) if number not in poison]
    assert runs <= 1 + 2 * 6 * len(poison)


async def test_a_run_that_failed_without_a_crash_is_not_bisected() -> None:
    runs = 0

    async def run(requests: list[int]) -> None:
        nonlocal runs
        runs += 1
        raise RunFailed("the server does not answer")

    with pytest.raises(RunFailed):
        await bisect_crashes([1, 2], run)
    assert runs == 1
