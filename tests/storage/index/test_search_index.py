"""The search index, on the real Postgres."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.running.settings import Settings
from storage.errors import StorageError, StorageUnavailable
from storage.index.database import Database
from storage.index.parts import PART_KINDS, Entry, Hit
from storage.index.search_index import SearchIndex
from storage.index.search_query import Filters, VectorQuery
from storage.index.word_query import parse_query, word_query

SPACE = "model@digest"


def entry(project: str, kind: Any, number: int, vector: list[float], **values: Any) -> Entry:
    fixed: dict[str, Any] = {
        "name": f"{number}.x",
        "text": "",
        "start_seconds": None,
        "end_seconds": None,
        "labels": (),
        "ordinal": 0,
    }
    return Entry(
        project=project,
        kind=kind,
        artifact=f"{number:064x}",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        vectors={SPACE: vector},
        **(fixed | values),
    )


LINES = ((1.0, 0.0),)
NEAR = {kind: VectorQuery(SPACE, [1.0, 0.0], LINES) for kind in PART_KINDS}


def search(index: SearchIndex, project: str, words: str = "", **question: Any) -> list[Hit]:
    limits = {
        name: question.pop(name)
        for name in ("labels", "kinds", "since", "made_since", "made_until", "without")
        if name in question
    }
    parsed = parse_query(words)
    given = {"vectors": NEAR, "words": word_query(parsed, parsed.wanted) if words else None}
    return index.search(project, filters=Filters(**limits), **(given | question)).hits


def found(index: SearchIndex, project: str, words: str = "", **question: Any) -> list[int]:
    return [int(hit.artifact, 16) for hit in search(index, project, words, **question)]


def test_the_nearest_picture_comes_first(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "image", 1, [0.0, 1.0]), entry(project, "image", 2, [1.0, 0.0])])
    assert found(index, project) == [2, 1]
    assert index.counts(project) == {"image": 2}


@pytest.mark.parametrize(
    "query", ["name:IMG_2231", "name:img_22", "name:touch", "filename:retouched", 'name:"IMG 2231"']
)
def test_a_query_can_be_for_names_alone(index: SearchIndex, project: str, query: str) -> None:
    index.add(
        [
            entry(project, "text", 1, [0.0, 1.0], name="IMG_2231-retouched.txt", text="nothing of it"),
            entry(project, "text", 2, [1.0, 0.0], name="notes.txt", text="IMG_2231 was retouched, see mg and img_22"),
        ]
    )
    assert found(index, project, query) == [1]


def test_adding_the_same_parts_again_changes_nothing(index: SearchIndex, project: str) -> None:
    entries = [entry(project, "image", number, [1.0, number / 10]) for number in range(5)]
    index.add(entries)
    before = found(index, project)
    index.add(list(reversed(entries)))
    assert found(index, project) == before == [0, 1, 2, 3, 4]


def test_surplus_parts_of_an_artifact_are_deleted(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "text", 1, [1.0, ordinal / 10], ordinal=ordinal) for ordinal in range(3)])
    index.add([entry(project, "text", 2, [0.5, 0.5])])
    index.trim(project, {f"{1:064x}": {"text": 1}})
    assert index.counts(project) == {"text": 2}
    index.trim(project, {f"{1:064x}": {}})
    assert found(index, project) == [2]


def test_a_text_with_all_words_ranks_higher(index: SearchIndex, project: str) -> None:
    index.add(
        [
            entry(project, "text", 1, [1.0, 0.1], text="nothing of it"),
            entry(project, "text", 2, [0.9, 0.4], text="The heron flies over the lake."),
        ]
    )
    assert found(index, project) == [1, 2]
    assert found(index, project, words="heron lake") == [2, 1]
    assert found(index, project, words="heron submarine") == [1, 2]
    assert found(index, project, words="herons") == [2, 1]
    assert found(index, project, words="lake -heron") == [1]


def test_what_a_picture_shows_is_evidence_beside_its_vector(index: SearchIndex, project: str) -> None:
    far = [0.0, 1.0]
    shown = ({"dog.n.01": 0.9, "animal.n.01": 1.0}, {"dog.n.01": 0.15}, {"cat.n.01": 0.9, "animal.n.01": 0.9})
    index.add([entry(project, "image", n, far, concepts=concepts) for n, concepts in enumerate(shown)])
    index.add([entry(project, "text", 7, far, text="dog.n.01 @dog.n.01")])

    def ask(*groups: tuple[str, ...], coverage: float = 1.0) -> list[int]:
        query = VectorQuery(SPACE, [1.0, 0.0], ((1.0, -9.0),), concepts=groups, coverage=coverage)
        return found(index, project, vectors={"image": query}, cut_off=0.3)

    assert ask(("dog.n.01",)) == [0, 1]
    assert ask(("dog.n.01", "cat.n.01")) == [0, 2, 1]
    assert ask(("dog.n.01",), ("animal.n.01",)) == [0]
    assert ask(("dog.n.01",), ("unicorn.n.01",)) == []
    assert ask(("dog.n.01",), coverage=0.5) == [0, 1]
    assert ask(("dog.n.01",), coverage=0.1) == []
    animals = VectorQuery(SPACE, [1.0, 0.0], LINES, concepts=(("animal.n.01",),), excluded=("dog.n.01",))
    [cat, doubtful] = search(index, project, vectors={"image": animals}, cut_off=0.0)
    assert (cat.places[0].concepts, int(cat.artifact, 16)) == ({"animal.n.01": 0.5}, 2)
    assert (doubtful.places[0].concepts, int(doubtful.artifact, 16)) == ({}, 1)


def test_what_is_left_out_must_not_occur_anywhere_in_a_hit(index: SearchIndex, project: str) -> None:
    index.add(
        [
            entry(project, "text", 1, [1.0, 0.0], text="The lake in winter."),
            entry(project, "text", 1, [1.0, 0.0], text="A heron.", ordinal=1),
            entry(project, "text", 2, [1.0, 0.0], text="A lake with a fire and an engine."),
        ]
    )
    assert found(index, project, words="lake -heron") == [2]
    assert sorted(found(index, project, words='lake -"fire engine"')) == [1, 2]
    [hit] = search(index, project, words="lakes -heron")
    assert hit.places[0].marks == ((2, 6),)


def test_a_number_is_found_however_its_thousands_are_written(index: SearchIndex, project: str) -> None:
    texts = (
        "costs 3,750 euros",
        "kostet 3.750,00 Euro",
        "coûte 3\u202f750 euros",
        "version 3.750.1",
        "3 apples, 750 g",
    )
    index.add([entry(project, "text", n, [0.0, 1.0], text=text) for n, text in enumerate(texts)])
    assert found(index, project, "3750", vectors={}, cut_off=0.5) == [0, 1, 2]
    assert found(index, project, "3,750", vectors={}, cut_off=0.5)[0] == 0


def test_words_of_languages_without_spaces_are_found(index: SearchIndex, project: str) -> None:
    index.add(
        [entry(project, "text", 1, [1.0, 0.0], text="数据"), entry(project, "text", 2, [0.9, 0.1], text="你好世界")]
    )
    assert found(index, project, words="世界") == [2, 1]


def test_a_search_is_limited_to_its_kinds_labels_and_project(index: SearchIndex, project: str) -> None:
    index.add(
        [
            entry(project, "image", 1, [1.0, 0.0], labels=("red", "big")),
            entry(project, "speech", 2, [1.0, 0.0], text="hello", start_seconds=1.5, end_seconds=2.0),
            entry(f"{project}-other", "image", 3, [1.0, 0.0], labels=("red",)),
        ]
    )
    assert found(index, project, kinds=("speech",)) == [2]
    assert found(index, project, labels=("red",)) == [1]
    assert found(index, project, labels=("red", "small")) == []
    [hit] = search(index, project, vectors={"speech": NEAR["speech"]})
    assert (hit.text, hit.start_seconds, hit.end_seconds) == ("hello", 1.5, 2.0)


def test_equal_scores_are_ordered_by_artifact(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "image", number, [1.0, 0.0]) for number in (3, 1, 2)])
    assert found(index, project) == [1, 2, 3]


def test_a_vector_of_another_size_is_refused(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "image", 1, [1.0, 0.0])])
    with pytest.raises(StorageError, match="dimensions"):
        index.add([entry(project, "image", 2, [1.0, 0.0, 0.0])])


def test_user_input_is_not_interpreted_as_sql(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "text", 1, [1.0, 0.0], text="'; drop table parts; --\0", name="a' or '1'='1")])
    assert found(index, project, words="'; drop table parts; --") == [1]


def test_who_waits_for_the_queries_of_others_is_answered(settings: Settings) -> None:
    database = Database.connect(settings.postgres_dsn.get_secret_value(), patience_seconds=0.5)

    def query(_: int) -> bool:
        with database.connection() as connection:
            return connection.execute("select pg_sleep(0.6) is not null").fetchone() == (True,)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(query, range(8)))
    database.close()


def test_an_unreachable_database_raises_storage_unavailable() -> None:
    database = Database.connect("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1", patience_seconds=1)
    index = SearchIndex(database)
    with pytest.raises(StorageUnavailable):
        index.counts("default")
    index.close()


def test_a_new_space_answers_once_it_is_complete_and_the_old_one_goes(index: SearchIndex, project: str) -> None:
    old, new = f"old-{project}@1", f"new-{project}@1"
    entries = [entry(project, "text", number, [1.0, 0.0]) for number in range(3)]
    index.add([each.model_copy(update={"vectors": {old: [1.0, 0.0]}}) for each in entries])
    assert index.serving(project) == {"text": old}
    assert len(index.unfilled(project, "text", new, 10)) == 3
    index.add([entries[0].model_copy(update={"vectors": {new: [1.0, 0.0, 0.0]}})])
    assert index.serving(project) == {"text": old}
    assert sorted(index.unfilled(project, "text", new, 10)) == [each.artifact for each in entries[1:]]
    index.add([each.model_copy(update={"vectors": {new: [1.0, 0.0, 0.0]}}) for each in entries[1:]])
    index.serve(project, "text", new)
    assert index.serving(project) == {"text": new}
    others = [name for name in {old, new, SPACE} if name != old]
    assert old in index.drop_unused_spaces(others)
    assert found(index, project, vectors={"text": VectorQuery(new, [1.0, 0.0, 0.0], LINES)}) == [0, 1, 2]


def test_first_writers_of_different_spaces_do_not_wait_for_each_other_in_a_circle(
    index: SearchIndex, project: str
) -> None:
    def write(number: int) -> None:
        space = f"first-{project}@{number}"
        parts = [entry(project, "text", 1000 * number + part, [1.0, 0.0]) for part in range(300)]
        index.add([part.model_copy(update={"vectors": {space: [1.0, 0.0]}}) for part in parts])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(8)))
    assert index.counts(project) == {"text": 8 * 300}


def test_vectors_of_the_parts_of_one_artifact_leave_room_for_others(index: SearchIndex, project: str) -> None:
    index.add([entry(project, "text", 1, [1.0, n / 1000], ordinal=n) for n in range(300)])
    index.add([entry(project, "text", number, [0.5, 0.5]) for number in range(2, 6)])
    assert found(index, project, limit=5) == [1, 2, 3, 4, 5]
    [book, *_] = search(index, project, limit=1)
    assert len(book.places) == 5
    assert book.places[0].score >= book.places[4].score
