"""Measure how well speakers are told apart: `python -m benchmarks.speech.speakers ../shared/data/speech`.

Readings of different people are joined in turns of 2.5 to 8 seconds at equal loudness, with pauses of 0.1 to 0.5 s.
The diarization error is the share of speech, in frames of 10 ms and without a collar, that is given to another speaker,
after the best assignment of speakers to readers, or to none. Six readers were used to choose the thresholds, and six
others were not.
"""

import argparse
import itertools
import random
from importlib.metadata import files
from pathlib import Path

import numpy as np

from media.recordings.pieces import read_window
from modalities.speakers.clustering import grouped, loud, turns
from modalities.speakers.voice_encoder import HOP_SECONDS, VoiceEncoder

CHOSEN_ON = ("de_az_training", "de_kerstin", "es_az_testing", "fr_az_training", "ko_az", "en_librivox")
MEASURED_ON = ("en_az_testing", "en_jfk", "it_az", "ja_az", "pt_az", "zh_az_testing")
_RATE, _FRAME = 16_000, 160
_SPOKEN = 0.01


def reading(folder: Path, reader: str) -> np.ndarray:
    """All recordings of a reader, in order, at 16 kHz."""
    parts: list[np.ndarray] = []
    for path in sorted(folder.glob(f"{reader}*")):
        number, is_last = 0, False
        while not is_last:
            window = read_window(path, number)
            parts.append(window.samples)
            number, is_last = number + 1, window.is_last
    return np.concatenate(parts)


def joined(readings: list[np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The readings in turns until the first ends, and the reader of each frame; -1 in pauses."""
    chance = random.Random(seed)
    places = [0] * len(readings)
    sound: list[np.ndarray] = []
    readers: list[int] = []
    for who in itertools.cycle(range(len(readings))):
        length = int(chance.uniform(2.5, 8) * _RATE)
        part = readings[who][places[who] : places[who] + length]
        if len(part) < 1.5 * _RATE:
            return np.concatenate(sound).astype(np.float32), np.array(readers)
        places[who] += length
        part = part[: len(part) // _FRAME * _FRAME] * (0.08 / max(float(np.sqrt(np.square(part).mean())), 1e-6))
        pause = int(chance.uniform(0.1, 0.5) * _RATE) // _FRAME
        sound += [part, np.zeros(pause * _FRAME, np.float32)]
        readers += [who] * (len(part) // _FRAME) + [-1] * pause
    raise AssertionError("a cycle does not end")


def error_and_count(encoder: VoiceEncoder, sound: np.ndarray, readers: np.ndarray) -> tuple[float, int]:
    """The diarization error, and how many speakers are told apart."""
    from scipy.optimize import linear_sum_assignment

    vectors, energies = encoder.embed(sound)
    kept = loud(energies)
    found = turns(grouped(vectors[kept]), HOP_SECONDS * np.arange(len(vectors))[kept])
    told = np.full(len(readers), -1)
    for turn in found:
        told[round(turn.start_seconds * 100) : round(turn.end_seconds * 100)] = turn.speaker - 1
    frames = sound[: len(readers) * _FRAME].reshape(-1, _FRAME)
    speech = (readers >= 0) & (np.sqrt(np.square(frames).mean(axis=1)) > _SPOKEN)
    right = np.array(
        [
            [((readers == who) & (told == speaker) & speech).sum() for speaker in range(told.max() + 1)]
            for who in range(readers.max() + 1)
        ]
    )
    return 1 - float(right[linear_sum_assignment(-right)].sum() / speech.sum()), int(told.max()) + 1


def main() -> None:
    """Print the errors for one, two and three readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    weights = next(path for path in files("resemblyzer") or [] if path.name == "pretrained.pt")
    encoder = VoiceEncoder(Path(str(weights.locate())))
    for title, names in {"chosen on": CHOSEN_ON, "measured on": MEASURED_ON}.items():
        readings = {name: reading(folder, name) for name in names}
        for count in (1, 2, 3):
            groups = list(itertools.combinations(names, count))
            results = [
                (*error_and_count(encoder, *joined([readings[name] for name in group], seed)), group)
                for group in groups
                for seed in (1, 2)
            ]
            errors = [error for error, _, _ in results]
            right = sum(told == count for _, told, _ in results) / len(results)
            worst = max(results)
            print(
                f"{title}: {count} readers, {len(results)} recordings: error {np.mean(errors):.1%} (median "
                f"{np.median(errors):.1%}, worst {worst[0]:.1%}: {', '.join(worst[2])}), right number {right:.0%}"
            )


if __name__ == "__main__":
    main()
