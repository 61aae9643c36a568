"""What people type: quotes, minus, "without", signs; and where their words stand in names and texts."""

import pytest

from storage.index.lexemes import spans_of
from storage.index.word_query import ParsedQuery, parse_query, telling_words, word_query


@pytest.mark.parametrize("text", ["", '""', '" "', '"', "„“", "?", "...", "%", "_", "--", "\\", "'", '-""'])
def test_signs_alone_are_nothing_to_look_for(text: str) -> None:
    assert parse_query(text).wanted == ""


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("truck -fire", ParsedQuery("truck", unwanted=("fire",), excluded=("fire",))),
        ("truck –fire", ParsedQuery("truck", unwanted=("fire",), excluded=("fire",))),
        ('truck -"fire engine"', ParsedQuery("truck", unwanted=("fire engine",), excluded=("fire engine",))),
        ("-fire", ParsedQuery("", unwanted=("fire",), excluded=("fire",))),
        ("party -🎉", ParsedQuery("party", unwanted=("🎉",), excluded=("🎉",))),
        ("IMG -2231", ParsedQuery("IMG", unwanted=("2231",), excluded=("2231",))),
        ("at -5 degrees", ParsedQuery("at -5 degrees")),
        ("e-mail", ParsedQuery("e-mail")),
        ("dog - cat", ParsedQuery("dog - cat")),
        ('"" dog', ParsedQuery("dog")),
        ('"red bus', ParsedQuery("red bus")),
        ("„rotes Auto“", ParsedQuery("rotes Auto", phrases=("rotes Auto",))),
        ("a street without cars without people", ParsedQuery("a street", unwanted=("cars", "people"))),
        ("without dogs", ParsedQuery("without dogs")),
        ("name:IMG_2231", ParsedQuery("IMG_2231", names=("IMG_2231",))),
        ('dog filename:"my photo"', ParsedQuery("dog my photo", names=("my photo",))),
        ("your name: a poem", ParsedQuery("your name: a poem")),
    ],
)
def test_a_query_is_read_as_it_is_meant(text: str, parsed: ParsedQuery) -> None:
    assert parse_query(text) == parsed


def test_a_phrase_is_left_out_as_a_phrase() -> None:
    assert word_query(parse_query('truck -"fire engine"'), "truck").excluded == "((('~fire' <-> '~engine')))"


def test_either_of_two_words_will_do_if_it_says_so() -> None:
    found = word_query(parse_query("dog OR red cat"), "dog OR red cat").anywhere
    assert "('~dog') | ('~red' & '~cat')" in found


@pytest.mark.parametrize(
    ("words", "text", "marked"),
    [
        ("creme brulee", "Die Crème brûlée", "Die [Crème] [brûlée]"),
        ("strassenlarm", "kein Straßenlärm!", "kein [Straßenlärm]!"),
        ("cafe", "le cafe\u0301 noir", "le [cafe\u0301] noir"),
        ("the dogs", "the dog, a hotdog", "the [dog], a hotdog"),
        ("小狗", "那只小狗在跑", "那只[小狗]在跑"),
        ("🎉", "party 🎉", "party [🎉]"),
    ],
)
def test_words_are_marked_as_they_are_found(words: str, text: str, marked: str) -> None:
    assert mark(text, words, inside=False) == marked


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        ("IMG2231", "[IMG_2231]-retouched.jpg"),
        ("touch", "IMG_2231-re[touch]ed.jpg"),
        ("im", "[IM]G_2231-retouched.jpg"),
    ],
)
def test_names_are_marked_inside_their_words(words: str, marked: str) -> None:
    assert mark("IMG_2231-retouched.jpg", words, inside=True) == marked


def mark(text: str, words: str, *, inside: bool) -> str:
    for start, end in reversed(spans_of(telling_words(words), text, inside=inside)):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return text
