"""Fit the probe that tells from its E5 vector whether a query names something that a picture can show.

It learns from English nouns of WordNet alone: animals, artifacts, food, plants, objects and parts of bodies against
what is abstract or a name. The encoder carries it over to sentences and other languages.
"""

import random
from collections.abc import Callable, Sequence

import numpy as np

from modalities.embedding.requests import Vectors
from training.concepts.wordnet import WordNet

_DEPICTABLE = frozenset({5, 6, 8, 13, 17, 20})
"""WordNet's lexicographer files: animal, artifact, body, food, object, plant."""
_EITHER = frozenset({4, 11, 15, 18, 19, 25, 27}) | _DEPICTABLE
"""Acts, events, locations, people, phenomena, shapes and substances may be shown or not: they teach nothing."""
_RARE_SHARE = 0.06
_EACH = 4500
_INVERSE_PENALTY = 10.0
_GREETINGS = "hello,hi,thanks,thank you,good morning,how are you,please,yes,no,ok,test,search,find,help"


def examples(wordnet: WordNet, seed: int = 1) -> tuple[list[str], list[str]]:
    """Nouns that pictures can show, and texts that they cannot; mostly frequent words."""
    chance = random.Random(seed)
    shown: list[str] = []
    abstract: list[str] = []
    for lemma, offsets in wordnet.senses.items():
        frequent = sum(wordnet.tagged.get((lemma, offset), 0) for offset in offsets) > 0
        if not frequent and chance.random() > _RARE_SHARE:
            continue
        first = wordnet.synsets[offsets[0]]
        categories = {wordnet.synsets[offset].category for offset in offsets[:3]}
        if first.is_instance or not categories & _EITHER:
            abstract.append(lemma)
        elif first.category in _DEPICTABLE:
            shown.append(lemma)
    numbers = [str(chance.randint(1, 10 ** chance.randint(1, 6))) for _ in range(300)]
    prefixes = ("IMG", "DSC", "scan", "invoice", "kbx", "doc")
    names = [f"{chance.choice(prefixes)}_{chance.randint(1, 99999)}" for _ in range(200)]
    greetings = _GREETINGS.split(",") * 5
    return (
        chance.sample(shown, min(_EACH, len(shown))),
        chance.sample(abstract, min(_EACH, len(abstract))) + numbers + names + greetings,
    )


def fit(shown: Sequence[str], abstract: Sequence[str], encode: Callable[[list[str]], Vectors]) -> tuple[Vectors, float]:
    """Logistic regression with an L2 penalty; return the weights (dimension,) and the intercept."""
    import torch

    rows = torch.from_numpy(encode([*shown, *abstract])).double()
    truth = torch.cat([torch.ones(len(shown)), torch.zeros(len(abstract))]).double()
    parameters = torch.zeros(rows.shape[1] + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = rows @ parameters[:-1] + parameters[-1]
        misfit = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
        total = parameters[:-1].square().sum() / 2 + _INVERSE_PENALTY * misfit
        total.backward()
        return total

    optimizer.step(loss)
    found = parameters.detach().numpy()
    return found[:-1].astype(np.float32), float(found[-1])
