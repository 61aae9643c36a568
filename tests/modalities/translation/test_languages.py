"""Languages are detected, tags are matched, and lines are split into sentences without losing anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.errors import UnknownLanguage
from modalities.translation.detection import detect_language, likely_languages
from modalities.translation.languages import best_match, is_same_language, language_token
from modalities.translation.sentences import split_line, split_to_fit, symbols


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "The committee will meet again next Thursday to talk about the money."),
        ("de", "Der Ausschuss trifft sich am nächsten Donnerstag wieder."),
        ("fr", "Le comité se réunira de nouveau jeudi prochain."),
        ("es", "El comité volverá a reunirse el próximo jueves."),
        ("it", "Il comitato si riunirà di nuovo giovedì prossimo."),
        ("pt", "O comitê vai se reunir novamente na próxima quinta-feira."),
        ("zh", "委员会将在下周四再次开会讨论预算。"),
        ("ja", "委員会は来週の木曜日にまた開かれます。"),
        ("ko", "위원회는 다음 주 목요일에 다시 모입니다."),
    ],
)
def test_the_language_of_a_sentence_is_detected(language: str, sentence: str) -> None:
    assert detect_language(sentence) == language
    assert detect_language(f"{sentence}\n\n{sentence} " * 200) == language


def test_the_language_of_a_short_everyday_sentence_is_detected() -> None:
    assert detect_language("I went to the lake with them.") == "en"
    assert detect_language("Ich gehe heute nicht zur Schule.") == "de"


@pytest.mark.parametrize("text", ["", "  \n ", "1984", "🎉🎉", "ok", "Danke hola"])
def test_a_text_of_unclear_language_is_an_error_that_asks_for_it(text: str) -> None:
    with pytest.raises(UnknownLanguage, match="name it"):
        detect_language(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en"),
        ("Guten Tag", "de"),
        ("Merci beaucoup", "fr"),
        ("Buenos días", "es"),
        ("你好", "zh"),
        ("Where is it?", "en"),
        ("Danke schön", "de"),
        ("Bonjour", "fr"),
        ("Gracias", "es"),
        ("OK", "en"),
    ],
)
def test_a_few_words_are_told_among_the_languages_that_models_know(text: str, language: str) -> None:
    known = ["de", "en", "es", "fr", "zh"]
    assert detect_language(text, known) == language
    assert 0 < likely_languages(text, known)[0][1] <= 1


def test_a_sentence_of_a_language_that_no_model_knows_is_not_taken_for_another() -> None:
    assert detect_language("Il comitato si riunirà di nuovo giovedì prossimo per parlare.", ["de", "en", "es"]) == "it"


def test_the_codes_of_libretranslate_are_understood() -> None:
    assert best_match("zt", ["zh-Hans", "zh-Hant"]) == "zh-Hant"
    assert best_match("pb", ["pt", "pt-BR"]) == "pt-BR"


def test_tags_match_by_language_script_and_region() -> None:
    assert best_match("en-US", ["de", "en"]) == "en"
    assert best_match("pt", ["pt-BR"]) == "pt-BR"
    assert best_match("zh-TW", ["zh-Hans", "zh-Hant"]) == "zh-Hant"
    assert best_match("zh-Hant", ["zh-Hans"]) is None
    assert best_match("zh-CN", ["zh"]) == "zh"
    assert best_match("pt-PT", ["pt", "pt-PT"]) == "pt-PT"
    assert best_match("nb", ["no"]) == "no"
    assert best_match("sv", ["de", "en"]) is None
    assert best_match("nn", ["nno"]) == "nno"
    assert is_same_language("de-AT", "de")
    assert is_same_language("zsm", "ms")
    assert not is_same_language("yue", "zh")
    assert not is_same_language("sh", "sr")
    assert not is_same_language("a tag", "another tag")
    assert not is_same_language("zh-Hans", "zh-TW")


@pytest.mark.parametrize(
    ("tag", "token", "vocabulary"),
    [
        ("de", "deu_Latn", ["eng_Latn", "deu_Latn", "zho_Hans"]),
        ("zh", "zho_Hans", ["zho_Hant", "yue_Hant", "zho_Hans"]),
        ("zh-TW", "zho_Hant", ["zho_Hans", "zho_Hant"]),
        ("ar", "arb_Arab", ["arb_Arab", "arz_Arab"]),
        ("de", "__de__", ["__en__", "__de__", "de"]),
        ("fr", ">>fr<<", [">>fr<<", ">>fr_CA<<", ">>es<<"]),
        ("fr-CA", ">>fr_CA<<", [">>fr<<", ">>fr_CA<<"]),
        ("de", ">>deu<<", [">>deu<<", ">>nld<<"]),
        ("zh", ">>cmn_Hans<<", [">>cmn_Hans<<", ">>cmn_Hant<<", ">>yue_Hant<<"]),
        ("sr", ">>srp_Cyrl<<", [">>hbs<<", ">>srp_Cyrl<<", ">>srp_Latn<<"]),
        ("es", None, ["es", "▁es", ">>de<<"]),
    ],
)
def test_the_token_of_a_language_is_found_in_a_vocabulary(tag: str, token: str | None, vocabulary: list[str]) -> None:
    assert language_token(tag, vocabulary) == token


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "Dr. Smith met J. Doe in the U.S. on 3. Oktober. He left!",
            ["Dr. Smith met J. Doe in the U.S. on 3. Oktober."],
        ),
        ("Das ist z.B. gut. Am 3. Oktober geht es los.", ["Das ist z.B. gut.", "Am 3. Oktober geht es los."]),
        ("“Really?” she asked. No. 5 is alive. No. I won't.", ["“Really?” she asked.", "No. 5 is alive.", "No."]),
        ("你好。今天天气很好！我们走吧？", ["你好。", "今天天气很好！", "我们走吧？"]),
        ("1. First 🎉 thing", ["First 🎉 thing"]),
        ("- 🎉 Party! 🎉\tTwo. 3.5", ["Party!", "Two."]),
        ("https://example.org/a.b?c", []),
        ("1987 – 42 %", []),
    ],
)
def test_sentences_are_split_at_their_ends(line: str, words: list[str]) -> None:
    spans = split_line(line)
    assert [span.text for span in spans if not span.copied][: len(words)] == words
    assert "".join(span.text for span in spans) == line


@given(st.text(alphabet=st.sampled_from('ab ÄZ.!?…。！\t,;1-❤️\u200d🎉"”(—'), max_size=80))
def test_the_spans_of_a_line_joined_are_the_line(line: str) -> None:
    spans = split_line(line)
    assert "".join(span.text for span in spans) == line
    assert all(any(c.isalpha() for c in span.text) for span in spans if not span.copied)
    for span in spans:
        parts = split_to_fit(span.text, len, 8)
        assert "".join(part.text for part in parts) == span.text


@pytest.mark.parametrize(
    "line", ["a" * 100_000, "." * 100_000, "a. B" * 25_000, "x@." * 30_000, "e\u0301\u0301" * 30_000]
)
@pytest.mark.timeout(30)
def test_a_hostile_line_is_split_in_linear_time(line: str) -> None:
    spans = split_line(line)
    assert "".join(span.text for span in spans) == line
    for span in spans:
        parts = split_to_fit(span.text, len, 200)
        assert "".join(part.text for part in parts) == span.text
        assert all(len(part.text) <= 200 for part in parts)


def test_a_long_sentence_is_split_at_clauses_then_at_spaces() -> None:
    sentence = "When the rain came down, we ran to the old house, and there we stayed"
    parts = [part.text for part in split_to_fit(sentence, len, 40)]
    assert parts == ["When the rain came down,", " ", "we ran to the old house,", " ", "and there we stayed"]
    assert all(len(part.text) <= 10 for part in split_to_fit("one two three four five six", len, 10))


def test_a_run_of_emoji_is_one_span() -> None:
    assert symbols("a 👩‍👩‍👧 b ❤️❤️") == ["👩‍👩‍👧", "❤️❤️"]
