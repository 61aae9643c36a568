"""What must not change in a translation does not: addresses, placeholders, code, numbers, capitals, marked words."""

import time
from collections.abc import Callable

import pytest

from modalities.contract import ModelSpec, no_progress
from modalities.models.weights import WeightsLocator
from modalities.translation.attempts import PLACEHOLDERS
from modalities.translation.protection.alignment import aligned_range, nested
from modalities.translation.protection.checks import content_doubts, form_doubts
from modalities.translation.protection.letter_case import as_sentence, letter_case
from modalities.translation.protection.phrases import known_phrase
from modalities.translation.protection.spans import protected_spans
from modalities.translation.requests import Mark, Translate, Translation
from modalities.translation.translator import CTranslate2Translator
from storage.artifacts import ArtifactStore

Ask = Callable[..., Translation]

SPANS = {
    "Hello %1$s, you have {count} new {{items}}.": ["%1$s", "{count}", "{{items}}"],
    "See https://example.com/a?b=c&d=1 for details.": ["https://example.com/a?b=c&d=1"],
    "Read it (at https://en.wikipedia.org/wiki/Rust_(language)).": ["https://en.wikipedia.org/wiki/Rust_(language)"],
    "Run `pip install x` now.": ["`pip install x`"],
    "Email bob@example.com today.": ["bob@example.com"],
    "Call %s or %(name)s, :user, ${HOME}, $name, [[link]] now.": [
        *("%s", "%(name)s", ":user", "${HOME}", "$name", "[[link]]")
    ],
    "{n, plural, one {# item} other {# items}} left": ["{n, plural, one {# item} other {# items}}"],
    "Click <b>Save</b> &amp; go.": ["<b>", "</b>", "&amp;"],
    "Use foo_bar() with --help in /usr/bin/env or README.md.": ["foo_bar()", "--help", "/usr/bin/env", "README.md"],
    "Paid on 3.10.2024 at 17:45.": ["3.10.2024", "17:45"],
    "Call +49 30 123456 about order AB-1234.": ["+49 30 123456", "AB-1234"],
    "Love it #sunset @bob": ["#sunset", "@bob"],
    "访问https://example.com/a，谢谢。": ["https://example.com/a"],
    "Save 20 words and 5 % d'eau.": ["5 %"],
    "Press Ctrl+C, $VAR$ or order A-1234/56 with 2to3.": ["Ctrl+C", "$VAR$", "A-1234/56", "2to3"],
    "Since ES6/ES7, 2011/83/EU, /^[0-9]+$/ and .mp4 files.": ["ES6/ES7", "2011/83/EU", "/^[0-9]+$/", ".mp4"],
    "Rooms 1-1000, 10–13 and 2-3 % at 1:1 on 127.0.0.1:53.": ["1-1000", "10–13", "2-3 %", "1:1", "127.0.0.1:53"],
    "Note:name and 10:30 are told apart.": ["10:30"],
}


@pytest.mark.parametrize("text", list(SPANS))
def test_the_spans_that_are_copied_are_found(text: str) -> None:
    found = [text[span.start : span.end] for span in protected_spans(text, "en", "en") if not span.easy]
    assert found == SPANS[text]


def test_terms_of_a_glossary_come_first_and_the_longest_of_them() -> None:
    glossary = [("invoice", "Rechnung"), ("invoice number", "Rechnungsnummer"), ("Triptych", "Triptych")]
    spans = protected_spans("Invoice: Triptych needs the invoice number.", "en", "de", glossary)
    assert [span.copy for span in spans] == ["Rechnung", "Triptych", "Rechnungsnummer"]


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("CLOSE THE DOOR", "capitals"),
        ("OK", "as-is"),
        ("Sign In to Your Account", "title"),
        ("She met Tom.", "as-is"),
        ("NASA", "capitals"),
        ("Hello", "as-is"),
    ],
)
def test_capitals_and_titles_are_told(text: str, case: str) -> None:
    assert letter_case(text, "en") == case


def test_a_text_in_capitals_becomes_a_sentence() -> None:
    assert as_sentence("AM I LATE?", "en") == "Am I late?"


def test_phrases_known_by_heart_keep_their_punctuation_and_capitals() -> None:
    assert known_phrase("everyday", "Hello!", "en", "es") == "¡Hola!"
    assert known_phrase("everyday", "GOOD MORNING", "en", "fr") == "BONJOUR"
    assert known_phrase("everyday", "你好！", "zh", "en") == "Hello!"
    assert known_phrase("everyday", "bonjour", "fr", "en") == "hello"
    assert known_phrase("everyday", "Hello Kitty", "en", "de") is None


def test_marks_nest_in_the_answer_as_they_did() -> None:
    assert nested([(0, 10), (2, 5)], [(4, 8), (1, 3)]) == [(1, 8), (1, 3)]
    assert nested([(0, 4), (5, 9)], [(0, 6), (4, 9)]) == [(0, 6), (6, 9)]


@pytest.mark.parametrize("unit", ["x@.", "{a", "1,", "a_", "A1-", "<a", "%(", "/a", "`", "a.b.", "1 234 ", "[[", "#a"])
def test_a_hostile_text_is_searched_in_linear_time(unit: str) -> None:
    started = time.process_time()
    protected_spans(unit * (60_000 // len(unit)), "en", "de")
    assert time.process_time() - started < 10


NAMES = [(("Tom", "汤姆", "湯姆"), ("Tom",)), (("Boston",), ("波士顿",))]


@pytest.mark.parametrize(
    ("source", "answer", "invented"),
    [
        ("She likes Bob.", "Sie mag Tom.", "Tom"),
        ("BOB'S DOG", "TOMS HUND", "Tom"),
        ("I take it.", "Tomo el tren.", ""),
        ("Tom is here.", "Tom ist hier.", ""),
        ("湯姆来了。", "Tom came.", ""),
        ("He lives in Berlin.", "他住在波士顿。", "波士顿"),
    ],
)
def test_a_name_that_only_the_answer_has_is_a_reason_to_ask_again(source: str, answer: str, invented: str) -> None:
    doubts = list(content_doubts(source, "", "", answer, ("en", "de"), names=NAMES))
    assert [doubt.rpartition(": ")[2] for doubt in doubts] == ([f"{invented}."] if invented else [])


@pytest.mark.parametrize(
    ("source", "answer", "is_doubtful"),
    [
        ("Two words", "Zwei Worte haben zwei Worte", True),
        ("Two words, two words", "Zwei Worte, zwei Worte", False),
        ("I know that he has seen that the house is old.", "Ich weiß, dass er weiß, dass das Haus alt ist.", False),
        ("no", "nein nein nein", True),
    ],
)
def test_an_answer_that_says_something_twice_is_marked(source: str, answer: str, is_doubtful: bool) -> None:
    doubts = list(form_doubts(source, source, answer, len(source.split()), is_complete=True))
    assert doubts == (["The answer repeats itself."] if is_doubtful else [])


def test_formatting_is_around_the_likeliest_word_where_no_word_has_most_of_the_attention() -> None:
    text, sources = "ja das", [(0, 3), (4, 8)]
    targets = [(0, 2), (3, 6)]
    assert aligned_range((0, 3), sources, targets, [[0.4, 0.6], [0.3, 0.7]], text) == (0, 2)
    assert aligned_range((0, 3), sources, targets, [[0.0, 1.0], [0.0, 1.0]], text) is None


@pytest.fixture(scope="module")
def ask(starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator, modality_store: ArtifactStore) -> Ask:
    """Translate lines by the starter's own model."""
    spec = starter_models["translation-en-x"]
    operator = CTranslate2Translator.load(spec, weights_locator.locate(spec))

    def translate(*lines: str, target: str = "de", **fields: object) -> Translation:
        request = Translate.model_validate(
            {"model": spec.name, "lines": lines, "source": "en", "target": target} | fields
        )
        (answer,) = operator([request], modality_store, no_progress)
        assert isinstance(answer, Translation), answer
        return answer

    return translate


@pytest.mark.parametrize("target", ["de", "fr", "es", "zh"])
def test_the_starter_keeps_every_protected_span(ask: Ask, target: str) -> None:
    texts = [text for text in SPANS if text.isascii()]
    answer = ask(*texts, target=target)
    lost = {
        span: said
        for text, said in zip(texts, answer.lines, strict=True)
        for span in SPANS[text]
        if span.rstrip("% ") not in said
    }
    assert lost == {}
    assert not any(line in texts for line in answer.lines)


def test_numbers_greetings_capitals_and_names_come_out_right(ask: Ask) -> None:
    answer = ask(
        "The price is $1,234.56 (incl. 19% VAT).", "Hello", "Good morning!", "OK", "Please close the door.",
        "PLEASE CLOSE THE DOOR.", "Triptych", "He is 35 years old.",
    )  # fmt: skip
    price, hello, morning, okay, sentence, capitals, name, age = answer.lines
    assert "1.234,56\u00a0$" in price
    assert "19\u00a0%" in price
    assert (hello, morning, okay, name) == ("Hallo", "Guten Morgen!", "OK", "Triptych")
    assert capitals == "".join(c.upper() if c != "ß" else c for c in sentence)
    assert "35" in age
    reasons = {doubt.line: doubt.reason for doubt in answer.doubts}
    assert reasons[6].endswith("they are copied.")
    assert {1, 2, 3, 4, 7}.isdisjoint(reasons)


NAMES_OF_PEOPLE = {
    "I met Miller yesterday.": "Miller",
    "Tom Miller": "Tom Miller",
    "Anna Schmidt": "Anna Schmidt",
    "Please come before Friday.": "",
    "I was born on 3 March 1984.": "3. März 1984",
}


def test_names_and_dates_are_kept_and_what_is_lost_is_marked(ask: Ask) -> None:
    answer = ask(*NAMES_OF_PEOPLE)
    for number, (line, kept) in enumerate(zip(answer.lines, NAMES_OF_PEOPLE.values(), strict=True)):
        doubts = [doubt.reason for doubt in answer.doubts if doubt.line == number]
        assert kept in line
        assert kept or "Freitag" in line or "Days or months are missing: Friday." in doubts


def test_marked_words_are_found_again_and_kept_ones_are_copied(ask: Ask) -> None:
    text, named = "I really like this old house.", "She likes Very Old Things a lot."
    marks = (
        (Mark(start=2, end=8), Mark(start=19, end=28)),
        (Mark(start=10, end=25, kept=True),),
    )
    answer = ask(text, named, marks=marks)
    [(really, house), (kept,)] = [
        tuple(line[m.start : m.end] for m in found) for line, found in zip(answer.lines, answer.marks, strict=True)
    ]
    assert really == "wirklich"
    assert house.endswith("Haus")
    assert kept == "Very Old Things"


BOLD = {
    "I have *12* dogs.": "12",
    "There are *12* red houses and 20 cars.": "12",
    "*Hello*!": "Hallo!",
    "Hello*!*": "!",
    "Tom*:* I am tired.": "",
}


def test_a_number_or_a_sign_with_a_format_of_its_own_keeps_it(ask: Ask) -> None:
    marks = [(text.index("*"), text.rindex("*") - 1) for text in BOLD]
    answer = ask(
        *(text.replace("*", "") for text in BOLD), marks=[(Mark(start=start, end=end),) for start, end in marks]
    )
    found = [line[mark.start : mark.end] for line, (mark,) in zip(answer.lines, answer.marks, strict=True)]
    assert found == list(BOLD.values())


def test_a_glossary_is_kept_and_other_translations_are_given(ask: Ask) -> None:
    glossary = (("invoice", "Rechnung"), ("Triptych", "Triptych"))
    answer = ask("I paid the invoice for Triptych.", glossary=glossary, alternatives=2)
    assert "Rechnung" in answer.lines[0]
    assert "Triptych" in answer.lines[0]
    assert 1 <= len(ask("I like this old house.", alternatives=2).alternatives[0]) <= 2


def test_chinese_is_in_the_characters_that_were_asked_for(ask: Ask) -> None:
    assert ask("Please close the door.", "My friend is a teacher.", target="zh").lines[1] == "我的朋友是老师。"
    assert ask("My friend is a teacher.", target="zh-TW").lines == ("我的朋友是老師。",)


def test_an_answer_that_the_model_is_not_sure_of_is_marked(ask: Ask) -> None:
    answer = ask("Quarterly amortization schedules notwithstanding, counterparties subrogate indemnities.")
    assert {doubt.line for doubt in answer.doubts} == {0}


def test_placeholder_tokens_are_single_characters_in_brackets() -> None:
    """The training recipe and the operator must mean the same tokens."""
    from training.translation.augmentation import PLACEHOLDERS as TRAINED

    assert PLACEHOLDERS == TRAINED
