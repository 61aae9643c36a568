"""What a question asks for, which sentences there are, and which of them look like an answer."""

import pytest

from modalities.answering.evidence import Candidate, coverage, probability, suits_kind
from modalities.answering.questions import in_conversation, language_of, read_question, unknown_sentence
from modalities.answering.sentences import split_sentences

POOL = "The pool is open from 6:30 to 21:00. A visit costs 4.50 euros. Lessons are given by Marta Olsen."


@pytest.mark.parametrize(
    ("question", "language", "kind"),
    [
        ("How much does a visit cost?", "en", "money"),
        ("Wie teuer ist der Eintritt?", "de", "money"),
        ("Qui donne les cours de natation ?", "fr", "person"),
        ("When does the pool open?", "en", "date"),
        ("Where do we meet when there is a fire?", "en", "place"),
        ("Wie viele Bücher darf ich leihen?", "de", "number"),
        ("How deep is the basin?", "en", "length"),
        ("泳池的门票多少钱?", "zh", "money"),
        ("the pool", "en", "statement"),
    ],
)
def test_a_question_tells_its_language_and_what_it_asks_for(question: str, language: str, kind: str) -> None:
    read = read_question(question)
    assert (read.language, read.kind) == (language, kind)


def test_a_question_is_about_words_that_are_neither_common_nor_those_of_its_kind() -> None:
    assert read_question("How much does a family ticket cost?").words == ("family", "ticket")


def test_a_question_that_goes_on_has_the_words_of_the_one_before() -> None:
    asked = in_conversation("And how much is it?", ["When is the pool open?"])
    assert (asked.kind, "pool" in asked.all_words) == ("money", True)
    other = in_conversation("Who wrote the report?", ["When is the pool open?"])
    assert "pool" not in other.all_words
    third = in_conversation("Und wie lange?", ["Wann ist das Schwimmbad offen?", "Und was kostet es?"])
    assert "schwimmbad" in third.all_words


def test_a_sentence_with_an_amount_answers_a_question_for_one() -> None:
    question = read_question("How much is a visit of the pool?")
    scores = [probability(question, Candidate(each, POOL, "pool.txt", 3.0)) for each in split_sentences(POOL)]
    assert scores.index(max(scores)) == 1
    unasked = read_question("How deep is the pool?")
    assert all(not suits_kind(unasked, each) for each in split_sentences(POOL))


def test_a_number_counts_what_it_stands_beside() -> None:
    question = read_question("How many puppies are in a course?")
    assert suits_kind(question, "There are nine puppies in it.") == 1
    assert suits_kind(question, "It lasts for forty minutes.") < 1


def test_the_answer_to_who_names_somebody_whom_the_question_does_not_name() -> None:
    question = read_question("Who teaches Emil Novak?")
    assert suits_kind(question, "Lessons are given by Marta Olsen.") == 1
    assert suits_kind(question, "Emil Novak is a beginner.") == 0


def test_a_place_is_no_time_and_an_article_with_a_noun_is_no_name() -> None:
    place, person = read_question("Where do we meet?"), read_question("Who organises the market?")
    assert suits_kind(place, "The assembly point is behind hall C.") == 1
    assert suits_kind(place, "The market opens on Saturday at nine.") == 0
    assert suits_kind(person, "Die Bauern bringen Birnen.") == 0


def test_a_sentence_without_what_is_asked_for_is_no_answer_however_near_it_is() -> None:
    asked = in_conversation("And where is it?", ["When does the autumn market open?"])
    sentence = "The autumn market opens on Saturday at nine."
    near = Candidate(sentence, sentence, "market.txt", 8.0, sentence_logit=8.0)
    assert probability(asked, near) <= 0.15
    assert probability(read_question("When does the autumn market open?"), near) > 0.9


def test_words_are_found_with_other_endings_and_in_compounds() -> None:
    assert coverage(["opening", "gebuhr", "cleaned"], "It opens. Die Jahresgebühr. Clean it.") == [True, True, True]
    assert coverage(["open", "12"], "An operator, 120 euros") == [False, False]


def test_sentences_end_at_signs_and_not_at_abbreviations_dates_or_wrapped_lines() -> None:
    assert split_sentences("Bis zum 2. Mai bei Dr. Yilmaz. Danach nicht.") == [
        "Bis zum 2. Mai bei Dr. Yilmaz.",
        "Danach nicht.",
    ]
    wrapped = "The filter has to be rinsed every six months with\nclear water, and the screws are greased."
    assert split_sentences(wrapped) == [wrapped.replace("\n", " ")]
    assert split_sentences("day,lunch\nMonday,soup") == ["day,lunch", "Monday,soup"]


def test_i_do_not_know_is_said_in_the_language_of_the_question() -> None:
    assert unknown_sentence(language_of("Wer hat das gebaut?"), 1200).startswith("Das weiß ich nicht: Keine der 1,200")
    assert unknown_sentence("tlh", 3).startswith("I do not know")
