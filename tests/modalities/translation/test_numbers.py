"""Numbers are written as the other language does, and an answer that lacks one is marked, however it writes them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modalities.translation.protection.checks import content_doubts
from modalities.translation.protection.measures import known_measure
from modalities.translation.protection.numbers import localized_number, missing_numbers
from modalities.translation.protection.spans import protected_spans
from modalities.translation.protection.stand_ins import StandIn, assignments


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


WRITTEN = [
    ("We met on 3 March 2024.", "en", "de", "3 March 2024", "3. März 2024"),
    ("We met on May 1st.", "en", "fr", "May 1st", "le 1er mai"),
    ("See you Monday, June 5, 2023!", "en", "es", "Monday, June 5, 2023", "lunes, 5 de junio de 2023"),
    ("It was the 21st of July 1969.", "en", "zh", "21st of July 1969", "1969年7月21日"),
    ("Wir treffen uns am 3. März 2024.", "de", "en", "3. März 2024", "March 3, 2024"),
    ("Nous arrivons le 1er août 2020.", "fr", "de", "le 1er août 2020", "1. August 2020"),
    ("Nací el 3 de marzo de 1984.", "es", "en", "3 de marzo de 1984", "March 3, 1984"),
    ("我们2024年3月5日见面。", "zh", "en", "2024年3月5日", "March 5, 2024"),
    ("There are 3.5 million of them.", "en", "de", "3.5 million", "3,5 Millionen"),
    ("It is 2 billion.", "en", "zh", "2 billion", "20亿"),
    ("Das kostet 2,5 Milliarden €.", "de", "en", "2,5 Milliarden €", "€2.5 billion"),
    ("有1100万人。", "zh", "en", "1100万", "11 million"),
    ("It takes 2.5 hours.", "en", "de", "2.5 hours", "2,5 Stunden"),
    ("It costs 1,250.50 dollars.", "en", "de", "1,250.50 dollars", "1.250,50 Dollar"),
    ("Il arrive à 17 h 45.", "fr", "en", "17 h 45", "17:45"),
    ("I was born in nineteen eighty-four.", "en", "de", "nineteen eighty-four", "1984"),
    ("Since twenty oh five.", "en", "de", "twenty oh five", "2005"),
]


@pytest.mark.parametrize(("text", "source", "target", "written", "copy"), WRITTEN)
def test_dates_and_amounts_with_words_are_written_as_the_language_does(
    text: str, source: str, target: str, written: str, copy: str
) -> None:
    [span] = protected_spans(text, source, target)
    assert (text[span.start : span.end], span.copy, span.easy) == (written, copy, True)


@pytest.mark.parametrize("text", ["31 February 2020", "I may 3 times", "in twenty thousand years", "version 2.5 of it"])
def test_what_only_looks_like_a_date_or_an_amount_is_none(text: str) -> None:
    assert {span.kind for span in protected_spans(text, "en", "de")} <= {"number"}


@pytest.mark.parametrize(
    ("source", "answer", "languages", "reason"),
    [
        ("Come before Friday.", "Komm vor Montag.", ("en", "de"), "Days or months are missing: Friday."),
        ("Come on Fridays.", "Komm freitags.", ("en", "de"), ""),
        ("星期五来。", "Come on Friday.", ("zh", "en"), ""),
        ("In October.", "Im Dezember.", ("en", "de"), "Days or months are missing: October."),
        ("He may march.", "Er darf gehen.", ("en", "de"), ""),
        ("He has twelve dogs.", "Er hat Hunde.", ("en", "de"), "Numbers in words are missing: twelve."),
        ("He has twelve dogs.", "Er hat 12 Hunde.", ("en", "de"), ""),
        ("他有十二只狗。", "He has ten dogs.", ("zh", "en"), "Numbers in words are missing: 十二."),
        ("He is forty-five.", "Er ist fünfundvierzig.", ("en", "de"), ""),
        ("Ce livre est neuf.", "This book is new.", ("fr", "en"), ""),
    ],
)
def test_an_answer_that_lacks_a_day_or_a_number_in_words_is_marked(
    source: str, answer: str, languages: tuple[str, str], reason: str
) -> None:
    assert list(content_doubts(source, "", source, answer, languages)) == ([reason] if reason else [])


@pytest.mark.parametrize(("answer", "missing"), [("3,5 Millionen", False), ("3500000", False), ("3,5", True)])
def test_an_amount_that_the_model_wrote_may_have_another_form_of_the_same_worth(answer: str, missing: bool) -> None:
    text = "3.5 million"
    doubts = content_doubts(text, "", "", answer, ("en", "de"), written=protected_spans(text, "en", "de"))
    assert list(doubts) == (["Numbers are missing: 3.5 million."] if missing else [])


def test_a_day_of_the_week_stands_for_a_date_and_a_number_for_a_number() -> None:
    text = "We met on 3 March 2024 at 17:45 (see https://x.org)."
    words: list[StandIn] = [(("Tom",), ("Tom",)), (("2013",), ("2013",))]
    first, *_ = assignments(text, protected_spans(text, "en", "de"), words, ("en", "de"))
    assert [word for _, word, _ in first] == ["Monday", "2013", "Tom"]


@pytest.mark.parametrize("name", ["IPv4", "lv1", "fail2ban", "640x480", "H2O", "mp3", "report2.pdf"])
def test_a_name_with_digits_in_it_is_copied(name: str) -> None:
    [span] = protected_spans(f"This is {name} for you.", "en", "de")
    assert (span.copy, span.easy) == (name, False)
