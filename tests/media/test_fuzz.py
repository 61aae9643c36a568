"""Fuzzing with mutants of valid files: a few hundred here, ten thousand in benchmarks/fuzz.py."""

from benchmarks.fuzz import mutants, run, seeds
from media.sandbox import Decoders, Limits

COUNT = 340


def test_no_mutant_crashes_a_decoder_or_exceeds_its_limits_and_each_refusal_is_a_sentence() -> None:
    limits = Limits(memory_bytes=500_000_000)
    decoders = Decoders(limits, count=2)
    try:
        report = run(COUNT, seed=11, decoders=decoders)
    finally:
        decoders.close()
    assert report.crashes == []
    assert sum(report.outcomes.values()) == COUNT
    assert report.outcomes.keys() > {"UnreadableMedia", "image", "speech", "text"}
    assert report.peak_bytes < limits.memory_bytes
    assert all(reason.endswith(".") or len(reason) == 110 for reason in report.reasons)


def test_the_same_seed_makes_the_same_mutants() -> None:
    valid = seeds()
    assert len(valid) >= 17
    assert list(mutants(valid, 50, seed=3)) == list(mutants(valid, 50, seed=3))
    assert list(mutants(valid, 50, seed=3)) != list(mutants(valid, 50, seed=4))
