"""Ranking by likeness, the choices of others and diversity; factorisation that tells nothing of single persons."""

import numpy as np

from benchmarks.suggestions.simulated import Ways, interval, simulated
from modalities.suggesting.factors import FEWEST_PERSONS, factorise
from modalities.suggesting.ranking import Vectors, rank


def unit(*values: float) -> Vectors:
    row = np.array(values, np.float32)
    return (row / np.linalg.norm(row)).astype(np.float32)


CATS, DOGS = unit(1, 0.1, 0), unit(0, 0.1, 1)


def test_each_taste_of_a_person_is_served() -> None:
    candidates = {"cat": unit(1, 0, 0.1), "dog": unit(0.1, 0, 1), "between": unit(1, 0, 1), "else": unit(0, 1, 0)}
    ranked = rank(candidates, np.stack([CATS, DOGS]), [1.0, 1.0], {}, 4)
    assert {each.item for each in ranked[:2]} == {"cat", "dog"}
    assert {each.item: each.nearest for each in ranked if each.item in ("cat", "dog")} == {"cat": 0, "dog": 1}
    assert ranked[-1].item == "else"


def test_near_duplicates_do_not_fill_the_list() -> None:
    candidates = {f"cat {number}": unit(1, 0.001 * number, 0.1) for number in range(5)} | {"lion": unit(1, 0, 0.7)}
    plain = [each.item for each in rank(candidates, CATS[None], [1.0], {}, 3, diversity=0.0)]
    diverse = [each.item for each in rank(candidates, CATS[None], [1.0], {}, 3, diversity=0.9)]
    assert "lion" not in plain
    assert "lion" in diverse


def test_what_others_chose_counts_beside_likeness() -> None:
    candidates = {"liked": unit(1, 0, 0.12), "not": unit(1, 0, 0.11), "unknown": unit(0, 1, 0)}
    ranked = rank(candidates, CATS[None], [1.0], {"liked": 0.9, "not": 0.0}, 3)
    assert [each.item for each in ranked] == ["liked", "not", "unknown"]
    assert rank({}, CATS[None], [1.0], {}, 3) == []


def test_nothing_is_told_of_what_fewer_than_three_persons_chose() -> None:
    assert FEWEST_PERSONS == 3
    many = {f"person {n}": {f"item {m}": 1.0 for m in range(12)} for n in range(3)}
    many["person 0"]["secret"] = many["person 1"]["secret"] = 4.0
    factors = factorise(many)
    assert factors is not None
    assert "secret" not in factors.items
    assert factors.liked("nobody") == factors.together("secret") == {}
    assert factorise({"one": {f"item {m}": 1.0 for m in range(50)}}) is None


def test_the_same_choices_give_the_same_factors() -> None:
    chosen = {f"p{n}": {f"i{(n * m) % 20}": 1.0 for m in range(1, 9)} for n in range(12)}
    first, second = factorise(chosen), factorise(dict(reversed(chosen.items())))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.item_rows, second.item_rows)


def test_suggestions_beat_popularity_and_chance_on_simulated_people() -> None:
    world = simulated(120, 4.0, 0.0, seed=21)
    factors = factorise({person: {str(item): 1.0 for item in items} for person, items in world.chosen.items()})
    suggest = Ways(world, factors, np.random.default_rng(0)).named()
    rates = {
        way: interval(np.array([world.last[person] in suggest[way](person) for person in world.chosen]))
        for way in ("suggestions", "popularity", "chance")
    }
    assert rates["suggestions"]["low"] > max(rates["popularity"]["high"], rates["chance"]["high"])
