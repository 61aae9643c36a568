"""What a picture shows is told in concepts: WordNet's synsets over the classes of the classifier."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.pictures import upright_rgb
from modalities.contract import ModelSpec
from modalities.embedding.concepts import ConceptLexicon
from modalities.embedding.multilingual_class_names import MultilingualClassNames
from modalities.models.weights import WeightsLocator
from storage.index.lexemes import stem, tokens
from tests.paths import ROOT, SAMPLES
from training.concepts.aligned import aligned_words
from training.concepts.wordnet import classes_below, read_wordnet


@pytest.fixture(scope="module")
def lexicon() -> ConceptLexicon:
    return ConceptLexicon.load(ROOT / "models" / "class-names" / "concepts.json", 1000)


@pytest.fixture(scope="module")
def pictures(starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator) -> MultilingualClassNames:
    spec = starter_models["starter-pictures"]
    return MultilingualClassNames.load(spec, weights_locator.locate(spec))


@pytest.mark.parametrize(
    ("query", "concept"),
    [
        *((query, "dog.n.01") for query in ("dog", "a dog", "Dogs", "photo of a dog", "ein Hund", "собака", "狗")),
        *((query, "Granny_Smith.n.01") for query in ("Apfel", "Äpfel", "manzanas", "une pomme", "яблоко", "苹果")),
        *((query, "bear.n.01") for query in ("Bären", "oso", "медведь", "медведя", "медведи")),
        *((query, "shoe.n.01") for query in ("Schuhe", "zapatos", "chaussures", "鞋")),
        ("🐶", "dog.n.01"),
        ("a fire truck", "fire_engine.n.01"),
        ("un éléphant", "elephant.n.01"),
    ],
)
def test_words_of_many_languages_name_a_concept(lexicon: ConceptLexicon, query: str, concept: str) -> None:
    mentioned = lexicon.mentioned(query, english=False)
    assert mentioned.coverage == 1
    assert [concept in group for group in mentioned.groups] == [True]


@pytest.mark.parametrize(
    "query", ["", "invoice", "Rechnung", "4711", "people on their way", "democracy", "beer", "I love it"]
)
def test_other_words_name_none(lexicon: ConceptLexicon, query: str) -> None:
    assert lexicon.mentioned(query, english=True).groups == ()
    assert lexicon.mentioned(query, english=True).coverage == 0


@pytest.mark.parametrize(
    ("query", "concept"), [("un chat", "cat.n.01"), ("ein Bär", "bear.n.01"), ("ein Boot", "boat.n.01")]
)
def test_a_word_that_english_has_too_means_what_its_language_means(
    lexicon: ConceptLexicon, query: str, concept: str
) -> None:
    assert lexicon.mentioned(query, english=False).groups == ((concept,),)
    assert (concept,) not in lexicon.mentioned(query, english=True).groups


def test_a_sentence_is_covered_in_part(lexicon: ConceptLexicon) -> None:
    mentioned = lexicon.mentioned("a dog that guards an elephant in winter", english=True)
    assert len(mentioned.groups) == 2
    assert mentioned.other_words == 2
    assert mentioned.coverage == 0.5


def test_either_of_two_concepts_will_do_if_it_says_so(lexicon: ConceptLexicon) -> None:
    assert lexicon.mentioned("a dog or a cat", english=True).groups == (("dog.n.01", "cat.n.01"),)


def test_the_probability_of_a_concept_is_the_sum_of_its_classes(lexicon: ConceptLexicon) -> None:
    probabilities = np.zeros((2, 1000), np.float32)
    probabilities[0, 265] = 0.25  # toy poodle
    probabilities[0, 266] = 0.5  # miniature poodle
    shown, nothing = lexicon.recognize(probabilities)
    assert shown["poodle.n.01"] == shown["dog.n.01"] == shown["animal.n.01"] == 0.75
    assert nothing == {}


def test_what_sample_pictures_show_is_recognized(pictures: MultilingualClassNames) -> None:
    files = [SAMPLES / name for name in ("dog-and-hydrant.jpg", "man-and-elephant.jpg", "red-bus.jpg")]
    prepared = [pictures.prepare(upright_rgb(Image.open(file))) for file in files]
    vectors, (dog, elephant, bus) = pictures.encode_and_recognize(prepared)
    assert vectors.shape == (3, 768)
    assert dog["dog.n.01"] > 0.5 > elephant.get("dog.n.01", 0)
    assert elephant["elephant.n.01"] > 0.5
    assert bus["bus.n.01"] > 0.5


def test_abstract_queries_count_against_every_picture(pictures: MultilingualClassNames) -> None:
    """In every language, although the probe has learned from English nouns alone."""
    _, shown = pictures.encode_query("Feuerwehrhelm").lines
    for words in ("Rechnung", "Steuer", "liberté", "закон", "经济", "quarterly report", "4711"):
        _, line = pictures.encode_query(words).lines
        assert line[1] < shown[1] - 2, words


def test_hypernyms_collect_the_classes_of_their_hyponyms(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(
        "  1 a licence\n"
        "00000001 05 n 01 animal 0 000 | a living thing\n"
        "00000002 05 n 02 dog 0 domestic_dog 0 001 @ 00000001 n 0000 | barks\n"
        "00000003 05 n 01 rex 0 001 @i 00000002 n 0000 | one dog\n",
        encoding="utf-8",
    )
    (tmp_path / "index.noun").write_text(
        "animal n 1 0 1 1 00000001\ndog n 1 1 @ 1 1 00000002\nrex n 1 1 @ 1 0 00000003\n", encoding="utf-8"
    )
    (tmp_path / "index.sense").write_text("dog%1:05:00:: 00000002 1 42\n", encoding="utf-8")
    wordnet = read_wordnet(tmp_path)
    assert wordnet.synsets["00000002"].lemmas == ("dog", "domestic dog")
    assert wordnet.synsets["00000003"].is_instance
    assert wordnet.tagged == {("dog", "00000002"): 42}
    assert wordnet.name("00000002") == "dog.n.01"
    assert classes_below(wordnet, ["00000003", "00000002"])["00000001"] == {0, 1}


def test_words_are_aligned_as_they_are_inflected_and_what_goes_along_is_not() -> None:
    sentences = [
        ("The dog barks.", "Der Hund bellt."),
        ("The dog eats.", "Der Hund frisst."),
        ("The seal barks.", "Die Robbe bellt."),
        ("The cat eats.", "Die Katze frisst."),
        ("The man eats.", "Der Mann frisst."),
        ("The man sleeps.", "Der Mann schläft."),
        ("Dogs bark.", "Hunde bellen."),
        ("Dogs eat.", "Hunde fressen."),
    ]
    pairs = [(set(map(stem, tokens(english))), set(tokens(german))) for english, german in sentences]
    assert aligned_words(pairs, {"dog": {"dog.n.01"}}, 2, 0.5) == {"hund": {"dog.n.01"}, "hunde": {"dog.n.01"}}
