"""A voice-over keeps up with its film: faster within bounds where there is little time, and never over itself."""

import pytest

from modalities.speaking.schedule import FASTEST_PACE, GAP_SECONDS, begins, paces


@pytest.mark.parametrize(
    ("starts", "durations", "end", "expected"),
    [
        ([0.0, 5.0], [2.0, 2.0], 10.0, [1.0, 1.0]),
        ([0.0, 2.1], [2.4, 1.0], 10.0, [1.2, 1.0]),
        ([0.0, 1.0], [9.0, 1.0], 10.0, [FASTEST_PACE, 1.0]),  # the second is late, and has time enough
        ([0.0, 1.0, 1.5], [9.0, 1.0, 1.0], 10.0, [FASTEST_PACE, FASTEST_PACE, 1.0]),
        ([8.0], [3.0], 10.0, [FASTEST_PACE]),
        ([], [], 0.0, []),
    ],
)
def test_an_utterance_is_faster_only_where_there_is_little_time(
    starts: list[float], durations: list[float], end: float, expected: list[float]
) -> None:
    assert paces(starts, durations, end) == expected


def test_utterances_never_overlap_and_none_begins_early() -> None:
    starts, durations = [0.0, 1.0, 9.0], [3.0, 2.0, 1.0]
    assert begins(starts, durations) == pytest.approx([0.0, 3.0 + GAP_SECONDS, 9.0])
