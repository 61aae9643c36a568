"""Mix the channels of sound to one so that speech stays audible.

The mean of all channels is the usual mix. It is silent where two channels cancel, as with an inverted one, and drowns a
voice that is in the centre of surround sound only. Both are decided for a whole piece, by energy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
_CENTRE = "FC"
_CANCELLED = 0.05
"""The mix counts as cancelled if it has less than this share of the louder channel's energy; one silent channel of two
leaves a quarter."""
_AUDIBLE = 0.02
"""The centre counts as carrying the voice from this share of the loudest channel's energy on."""


@dataclass(frozen=True)
class Tracks:
    """The rows that a frame contributes to a piece: the mean of its channels, and one channel of its own.

    `kind` says which: the centre of surround, the left one of stereo, or none (the mean is all there is).
    """

    rows: Samples
    kind: str


def tracks_of(channels: Samples, names: list[str], wanted: int | None) -> Tracks:
    """Reduce the channels of a frame, shape (channels, n), to the rows that a mix needs; `wanted` counts from 0."""
    if wanted is not None:
        return Tracks(channels[min(wanted, len(channels) - 1)][None], "one")
    mean = channels.mean(axis=0, dtype=np.float32)
    if len(channels) > 2 and _CENTRE in names:
        return Tracks(np.stack([mean, channels[names.index(_CENTRE)]]), "centre")
    if len(channels) == 2:
        return Tracks(np.stack([mean, channels[0]]), "stereo")
    return Tracks(mean[None], "one")


def mixed(rows: Samples, kind: str) -> Samples:
    """Return the samples of a piece, shape (n,): the mean, unless a single channel carries the voice better."""
    if kind == "stereo":
        return _louder_if_cancelled(rows[0], rows[1])
    if kind == "centre":
        return rows[1] if _energy(rows[1]) > _AUDIBLE * _energy(rows[0]) and _energy(rows[1]) > 0 else rows[0]
    return rows[0]


def channel_names(layout: Any) -> list[str]:
    """Return the names of a layout's channels, such as FL, FR and FC."""
    return [str(channel.name) for channel in layout.channels]


def _louder_if_cancelled(mean: Samples, left: Samples) -> Samples:
    energy_left = _energy(left)
    energy_right = _energy(2 * mean - left)
    if _energy(mean) >= _CANCELLED * max(energy_left, energy_right):
        return mean
    return left if energy_left >= energy_right else 2 * mean - left


def _energy(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
