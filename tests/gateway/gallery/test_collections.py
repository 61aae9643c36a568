"""Collections: named sets in the bucket that several people change at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.running.platform import Platform
from gateway.errors import NotFound, WrongInput
from gateway.gallery.parts.collections import Collections


@pytest.fixture
def collections(platform: Platform, project: str) -> Collections:
    return Collections(platform.space(project).refs)


def test_a_name_stands_for_one_collection(collections: Collections) -> None:
    spring = collections.named("Spring campaign")
    assert collections.named("  spring   Campaign ").id == spring.id
    assert collections.named("春季活动").id != spring.id
    assert [each.name for each in collections.all()] == ["Spring campaign", "春季活动"]


def test_what_several_people_put_in_at_once_is_all_there(collections: Collections) -> None:
    found = collections.named("together")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: collections.put_in(found.id, f"{number:064x}"), range(4)))
    assert len(collections.get(found.id).artifacts) == 4
    collections.put_in(found.id, f"{1:064x}")
    assert len(collections.get(found.id).artifacts) == 4
    collections.take_out(found.id, f"{1:064x}")
    assert f"{1:064x}" not in collections.get(found.id).artifacts


def test_a_forgotten_collection_is_gone_and_its_name_is_free(collections: Collections) -> None:
    found = collections.named("old")
    collections.forget(found.id)
    assert collections.all() == []
    with pytest.raises(NotFound):
        collections.get(found.id)
    with pytest.raises(NotFound):
        collections.put_in(found.id, "0" * 64)
    assert collections.named("old").id != found.id


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b"])
def test_what_cannot_be_a_name_is_refused(collections: Collections, name: str) -> None:
    with pytest.raises(WrongInput):
        collections.named(name)


@pytest.mark.parametrize("identity", ["../refs", "..", "", "no-such"])
def test_what_is_no_collection_is_not_there(collections: Collections, identity: str) -> None:
    with pytest.raises(NotFound):
        collections.get(identity)
