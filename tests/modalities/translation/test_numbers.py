"""Numbers are written as the other language does, and an answer that lacks one is marked, however it writes them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modalities.translation.protection.measures import known_measure
from modalities.translation.protection.numbers import localized_number, missing_numbers
from modalities.translation.protection.spans import protected_spans


@pytest.mark.parametrize(
    ("written", "source", "target", "expected"),
    [
        ("$1,234.56", "en", "de", "1.234,56\u00a0$"),
        ("$1,234.56", "en", "fr", "1\u202f234,56\u00a0$"),
        ("1.234,56 €", "de", "en", "€1,234.56"),
        ("19%", "en", "de", "19\u00a0%"),
        ("19 %", "de", "en", "19%"),
        ("1,000", "en", "es", "1.000"),
        ("3.10.2024", "en", "de", "3.10.2024"),
        ("17:45", "en", "de", "17:45"),
        ("3.11", "en", "de", "3.11"),
        ("1.234", "en", "de", "1.234"),
        ("192.168.0.1", "en", "de", "192.168.0.1"),
        ("5 km", "en", "fr", "5 km"),
    ],
)
def test_amounts_are_written_as_the_language_does_and_the_rest_is_left(
    written: str, source: str, target: str, expected: str
) -> None:
    assert localized_number(written, source, target) == expected


NUMBERS = [
    ("5 of 35", "fünf von 35", "de", []),
    ("5 of 35", "fünf von 53", "de", ["35"]),
    ("Rooms 3 5 and 7", "Räume 3, 5 und 7", "de", []),
    ("Rooms 100 200 and 7", "Räume 100, 200 und 7", "de", []),
    ("Rooms 100, 200 and 7", "Salles 100 200 et 7", "fr", []),
    ("Rooms 3 5 and 7", "Räume 3 und 7", "de", ["5"]),
    ("1000 metres", "1 000 mètres", "fr", []),
    ("1 000 metres", "1.000 Meter", "de", []),
    ("the 2nd of 12", "der zweite von zwölf", "de", []),
    ("2 of 22", "22 Leute", "de", ["2"]),
    ("5 and 5", "5", "de", ["5"]),
    ("at 3 p.m. on 4 May", "am 4. Mai um 15 Uhr", "de", []),
    ("at 3 o'clock", "um 15 Uhr", "de", ["3"]),
    ("um 15 Uhr", "at 3 p.m.", "en", []),
    ("at 5 a.m.", "um 05:00 Uhr", "de", []),
    ("the 19th century", "le XIXe siècle", "fr", []),
    ("in the 1980s", "en los años 80", "es", []),
    ("in den 80er Jahren", "in the 1980s", "en", []),
    ("20 million people", "2000 万人", "zh", []),
    ("1100万英镑", "£11 million", "en", []),
    ("3 月 5 日", "March 5", "en", []),
    ("1小时", "an hour", "en", []),
    ("14 people", "vier Leute", "de", ["14"]),
    ("4 people", "vierzehn Leute", "de", ["4"]),
    ("35 people", "三十五人", "zh", []),
]


@pytest.mark.parametrize(("source", "answer", "target", "missing"), NUMBERS)
def test_a_number_may_be_written_otherwise_but_not_missing(
    source: str, answer: str, target: str, missing: list[str]
) -> None:
    assert missing_numbers(source, answer, target) == missing


NUMBER_LISTS = st.lists(st.integers(21, 9999).filter(lambda n: n % 10), min_size=1, max_size=5)
JOINERS = st.lists(st.sampled_from([" ", ", ", " und ", "/", "-", ": ", "\u00a0", "x"]), min_size=5, max_size=5)


def joined(numbers: list[int], joiners: list[str], group: str) -> str:
    written = [f"{n:,}".replace(",", group) for n in numbers]
    return "".join(f"{text}{joiner}" for text, joiner in zip(written, joiners, strict=False))


@given(NUMBER_LISTS, JOINERS, JOINERS, st.sampled_from(["", ".", ",", " ", "\u202f"]))
def test_numbers_that_are_there_are_never_missing_whatever_is_between_them(
    numbers: list[int], before: list[str], after: list[str], group: str
) -> None:
    assert missing_numbers(joined(numbers, before, ""), joined(numbers, after, group), "de") == []


@given(NUMBER_LISTS, st.integers(21, 9999))
def test_a_number_that_is_not_there_is_missing(numbers: list[int], lost: int) -> None:
    answer = " und ".join(map(str, numbers))
    assume(str(lost) not in answer and lost % 100 not in (*range(10, 100, 10), 0))
    assert missing_numbers(f"{lost} und {answer}", answer, "de") == [str(lost)]


@pytest.mark.parametrize(
    ("text", "source", "target", "answer"),
    [
        ("10 minutes", "en", "es", "10 minutos"),
        ("1 Stunde", "de", "en", "1 hour"),
        ("3 heures", "fr", "en", "3 hours"),
        ("5分钟", "zh", "en", "5 minutes"),
        ("2 days", "en", "zh-Hant", "2天"),
        ("20 kilometers", "en", "fr", "20\u00a0kilomètres"),
        ("3 dogs", "en", "de", None),
        ("every 10 minutes", "en", "de", None),
        ("10 minutes", "de", "en", None),
        ("10 minutes", "xx", "en", None),
    ],
)
def test_a_number_with_its_unit_is_called_as_in_every_language(
    text: str, source: str, target: str, answer: str | None
) -> None:
    assert known_measure(text, source, target) == answer


@pytest.mark.parametrize("name", ["IPv4", "lv1", "fail2ban", "640x480", "H2O", "mp3", "report2.pdf"])
def test_a_name_with_digits_in_it_is_copied(name: str) -> None:
    [span] = protected_spans(f"This is {name} for you.", "en", "de")
    assert (span.copy, span.easy) == (name, False)
