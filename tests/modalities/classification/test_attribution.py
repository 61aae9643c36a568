"""Which words make an answer, and the direction of a label."""

import numpy as np
import pytest

from modalities.classification.attribution import direction_of, log_odds, word_effects
from modalities.classification.head import softmax


def test_the_word_that_changes_the_answer_most_has_the_effect_one() -> None:
    counted = {"good": 2.0, "not": -1.0}
    effects = word_effects(
        "not a good one", lambda texts: np.array([sum(v for w, v in counted.items() if w in t) for t in texts])
    )
    assert [(each.word, each.effect) for each in effects] == [("not", -0.5), ("a", 0.0), ("good", 1.0), ("one", 0.0)]
    chinese = word_effects("\u5f88\u597d ok", lambda texts: np.array([3.0 * ("\u597d" in text) for text in texts]))
    assert [(each.word, each.effect) for each in chinese] == [("\u5f88", 0.0), ("\u597d", 1.0), ("ok", 0.0)]
    assert word_effects(" ", lambda texts: np.zeros(len(texts))) == []


def test_a_vector_that_goes_in_the_direction_of_a_label_becomes_more_of_it() -> None:
    rng = np.random.default_rng(2)
    weight, vector = rng.normal(size=(4, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    before = softmax((weight @ vector)[None])[0]
    step = 0.01 * direction_of(weight, before, 2)
    assert softmax((weight @ (vector + step))[None])[0][2] > before[2]
    assert np.linalg.norm(step) == pytest.approx(0.01, rel=1e-4)
    assert np.isfinite(log_odds(np.array([0.0, 0.5, 1.0]))).all()
