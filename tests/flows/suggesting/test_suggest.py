"""Suggestions within one project, and what is kept about persons: nothing by default, and nothing once forgotten."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from flows.running.platform import Platform, Space
from flows.suggesting.interactions import Interactions, forget_everywhere
from flows.suggesting.suggest import Suggester
from storage.index.parts import Entry
from storage.labels import TRASH
from storage.names import INTERACTIONS
from storage.records import ArtifactRecord

SUBJECTS = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])


@pytest.fixture
def space(platform: Platform, project: str) -> Space:
    return platform.space(project)


def stored(space: Space, subject: int, number: int, labels: Sequence[str] = ()) -> str:
    """Store a picture whose vector shows the subject."""
    artifact = space.store.put(f"{space.project} {subject} {number}".encode(), media_type="image/png")
    name = f"{subject}-{number}.png"
    space.records.add(ArtifactRecord(artifact=artifact, project=space.project, name=name, labels=tuple(labels)))
    vector = [value + 0.01 * number for value in SUBJECTS[subject]]
    space.index.add(
        [
            Entry(
                project=space.project,
                kind="image",
                artifact=artifact.sha256,
                ordinal=0,
                name=name,
                text="",
                start_seconds=None,
                end_seconds=None,
                labels=tuple(labels),
                created=datetime.now(UTC),
                vectors={"suggesting@test": [value / sum(v * v for v in vector) ** 0.5 for value in vector]},
            )
        ]
    )
    return artifact.sha256


def test_suggestions_are_like_what_was_chosen_and_new(space: Space) -> None:
    first, second, third = (stored(space, 0, number) for number in range(3))
    trashed, other = stored(space, 0, 3, [TRASH]), stored(space, 1, 0)
    interactions = Interactions(space.platform.bucket, space.project)
    suggester = Suggester()
    interactions.note("ada", first, "opened")
    assert interactions.of("ada").artifacts == {}
    assert suggester.for_person(space, "ada", 5).model_dump() == {"kept": False, "suggestions": []}
    interactions.keep()
    interactions.note("ada", first, "opened")
    interactions.note("ada", first, "opened")
    interactions.note("ada", second, "downloaded")
    assert list(interactions.of("ada").artifacts) == [second, first]
    assert interactions.of("ada").weights == {second: 3.0, first: 2.0}
    found = suggester.for_person(space, "ada", 5).suggestions
    assert [each.artifact for each in found] == [third, other]
    assert (found[0].because, found[0].name, found[0].by) == (second, "0-2.png", ("likeness",))
    assert suggester.for_person(space, "nobody", 5).suggestions == []
    beside = [each.artifact for each in suggester.beside(space, first, 5).suggestions]
    assert beside[:2] == [second, third]
    assert trashed not in beside


def test_nothing_of_another_project_is_suggested(space: Space, platform: Platform) -> None:
    elsewhere = platform.space(f"other-{uuid4().hex[:8]}")
    foreign = [stored(elsewhere, 0, number) for number in range(4)]
    own = stored(space, 0, 0)
    near = stored(space, 0, 1)
    here, there = (Interactions(platform.bucket, each.project) for each in (space, elsewhere))
    for each in (here, there):
        each.keep()
    there.note("ada", foreign[0], "chosen")
    here.note("ada", own, "chosen")
    here.note("ada", foreign[1], "chosen")  # an id of another project that somehow came here
    suggester = Suggester()
    assert [each.artifact for each in suggester.for_person(space, "ada", 10).suggestions] == [near]
    assert [each.artifact for each in suggester.beside(space, own, 10).suggestions] == [near]
    assert suggester.beside(space, foreign[0], 10).suggestions == []


def test_what_others_chose_together_is_suggested(space: Space) -> None:
    cats, dogs = ([stored(space, subject, number) for number in range(8)] for subject in (0, 1))
    interactions = Interactions(space.platform.bucket, space.project)
    interactions.keep()
    for person in range(4):
        for artifact in (*cats[:6], *dogs[:6]):
            if not (person == 3 and artifact in dogs[2:6]):
                interactions.note(f"person {person}", artifact, "chosen")
    found = Suggester().for_person(space, "person 3", 12).suggestions
    assert {each.artifact for each in found if "others" in each.by} == set(dogs[2:6])
    assert {each.artifact for each in found if "others" not in each.by} == {*cats[6:], *dogs[6:]}


def test_no_trace_of_a_forgotten_person_is_left(space: Space, platform: Platform) -> None:
    person, bucket = f"ada {uuid4().hex}", platform.bucket
    other = platform.space(f"other-{uuid4().hex[:8]}")
    before = {found.key: found.etag for found in bucket.objects(INTERACTIONS)}
    artifact = stored(space, 0, 0)
    for each in (space, other):
        interactions = Interactions(bucket, each.project)
        interactions.keep()
        interactions.note(person, artifact, "opened")
    suggester = Suggester()
    suggester.for_person(space, person, 5)
    assert sorted(forget_everywhere(bucket, person)) == sorted([space.project, other.project])
    assert forget_everywhere(bucket, person) == []
    assert {found.key: found.etag for found in bucket.objects(INTERACTIONS)} == before
    for prefix in (f"{space.project}/", f"{other.project}/", INTERACTIONS):
        for found in bucket.objects(prefix):
            assert person not in found.key
            assert person.encode() not in bucket.get(found.key)
    with platform.database.connection() as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'select count(*) from "{table}" t where t::text like %s', [f"%{person}%"])  # type: ignore
            assert rows.fetchone() == (0,), table
    suggester.for_person(space, person, 5)
    assert person not in repr(suggester)


def test_a_project_that_stops_keeping_has_nothing_left(space: Space) -> None:
    interactions = Interactions(space.platform.bucket, space.project)
    interactions.keep()
    interactions.note("ada", stored(space, 0, 0), "opened")
    assert interactions.versions()
    interactions.stop()
    assert interactions.versions() == ()
    assert not interactions.are_kept()
