"""Group the vectors of a recording's windows by speaker: agglomerative clustering by mean cosines, then nearest means.

Windows in which the speaker changes would be a group of their own: they are left out of the clustering.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.speakers.requests import Turn
from modalities.speakers.voice_encoder import HOP_SECONDS, WINDOW_SECONDS, Vectors

Labels = NDArray[np.int64]
SAME_GROUP, SAME_SPEAKER = 0.66, 0.8
"""The mean cosine of the windows of two groups, and the cosine of their means, from which they are one speaker.
Chosen on six readers and measured on six others in benchmarks/speech/speakers.py."""
_SILENT = 0.02
"""The share of the energy of loud windows below which a window has no speech."""
_CHANGING = 0.3
"""The share of windows that are left out of the clustering: those whose neighbours on both sides differ most."""
_MOST_CLUSTERED = 3000
"""Windows that are clustered: the distances of all pairs are in memory."""
_LEAST_SECONDS, _LEAST_SHARE = 2.0, 0.04
"""What a group speaks at least to be a speaker: less is a cough or a laugh."""


def loud(energies: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which windows have sound."""
    return energies > _SILENT * float(np.percentile(energies, 90)) if len(energies) else np.zeros(0, np.bool_)


def grouped(vectors: Vectors) -> Labels:
    """Return the number of the speaker of each vector, from 0, in the order in which they begin to speak."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), np.int64)
    steady = vectors[_steady(vectors)]
    sample = steady[np.unique(np.linspace(0, len(steady) - 1, min(len(steady), _MOST_CLUSTERED)).astype(np.int64))]
    labels = np.argmax(vectors @ _speakers(sample, _clustered(sample)).T, axis=1)
    order = list(dict.fromkeys(labels.tolist()))
    return np.array([order.index(label) for label in labels.tolist()], np.int64)


def turns(labels: Labels, starts: NDArray[Any]) -> list[Turn]:
    """Return the turns of windows that begin at `starts`, in seconds; a change is half-way between two centres."""
    found: list[tuple[float, float, int]] = []
    for label, start in zip(_smoothed(labels).tolist(), starts.tolist(), strict=True):
        centre = start + WINDOW_SECONDS / 2
        begin, end = centre - HOP_SECONDS / 2, centre + HOP_SECONDS / 2
        if found and found[-1][2] == label and begin - found[-1][1] <= 2 * HOP_SECONDS:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((begin, end, label))
    return [
        Turn(start_seconds=round(begin, 3), end_seconds=round(end, 3), speaker=label + 1) for begin, end, label in found
    ]


def _steady(vectors: Vectors) -> NDArray[np.int64]:
    """Return the numbers of the windows whose neighbours two windows away on both sides are most alike."""
    before, after = vectors[:-4], vectors[4:]
    alike = np.ones(len(vectors), np.float32)
    if len(after):
        alike[2:-2] = (before * after).sum(axis=1)
    return np.flatnonzero(alike >= np.quantile(alike, _CHANGING))


def _clustered(vectors: Vectors) -> Labels:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if len(vectors) < 2:
        return np.zeros(len(vectors), np.int64)
    distances = np.clip(pdist(vectors, "cosine"), 0.0, None)
    return fcluster(linkage(distances, "average"), 1 - SAME_GROUP, "distance").astype(np.int64)


def _speakers(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the mean vector of each speaker: of groups that are long enough, with those that are alike joined."""
    numbers, counts = np.unique(labels, return_counts=True)
    large = counts >= max(_LEAST_SECONDS / HOP_SECONDS, _LEAST_SHARE * len(labels))
    kept = numbers[large] if large.any() else numbers[[int(counts.argmax())]]
    sums = [vectors[labels == label].sum(axis=0) for label in kept]
    while len(sums) > 1:
        means = _normalised(sums)
        cosines = np.triu(means @ means.T, 1)
        first, second = np.unravel_index(int(cosines.argmax()), cosines.shape)
        if cosines[first, second] < SAME_SPEAKER:
            break
        sums[int(first)] = sums[int(first)] + sums.pop(int(second))
    return _normalised(sums)


def _normalised(sums: list[Vectors]) -> Vectors:
    means = np.stack(sums)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


def _smoothed(labels: Labels) -> Labels:
    """Replace a window that differs from both neighbours, which are of one speaker."""
    smooth = labels.copy()
    for number in range(1, len(labels) - 1):
        if smooth[number - 1] == labels[number + 1] != labels[number]:
            smooth[number] = labels[number + 1]
    return smooth
