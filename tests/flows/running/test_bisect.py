"""The promise to all but one: what ends every process it meets is found, and the others get their answers."""

import pytest

from flows.running.bisect import bisect_crashes
from flows.running.errors import RunCrashed, RunFailed


@pytest.mark.parametrize("deadly", [[], [0], [63], [17, 18], list(range(5))])
async def test_only_what_ends_its_process_goes_without_an_answer(deadly: list[int]) -> None:
    answered: list[int] = []
    runs = 0

    async def ask(requests: list[int]) -> None:
        nonlocal runs
        runs += 1
        if set(requests) & set(deadly):
            raise RunCrashed("the process ended by SIGSEGV")
        answered.extend(requests)

    given_up = await bisect_crashes(list(range(64)), ask)
    assert [request for request, _ in given_up] == deadly
    assert sorted(answered) == [number for number in range(64) if number not in deadly]
    assert runs <= 1 + 2 * 6 * len(deadly)


async def test_a_run_that_only_failed_is_not_asked_in_halves() -> None:
    runs = 0

    async def ask(requests: list[int]) -> None:
        nonlocal runs
        runs += 1
        raise RunFailed("the server does not answer")

    with pytest.raises(RunFailed):
        await bisect_crashes([1, 2], ask)
    assert runs == 1
