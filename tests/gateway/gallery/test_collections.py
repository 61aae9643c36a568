"""Collections: named sets of artifacts, also when several people change them at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.running.platform import Platform
from gateway.errors import NotFound, WrongInput
from gateway.gallery.parts.collections import Collections


@pytest.fixture
def collections(platform: Platform, project: str) -> Collections:
    return Collections(platform.space(project).refs)


def test_a_name_identifies_one_collection_whatever_its_case_and_spaces(collections: Collections) -> None:
    spring = collections.get_or_create("Spring campaign")
    assert collections.get_or_create("  spring   Campaign ").id == spring.id
    assert collections.get_or_create("春季活动").id != spring.id
    assert [each.name for each in collections.all()] == ["Spring campaign", "春季活动"]


def test_artifacts_added_concurrently_are_all_kept(collections: Collections) -> None:
    found = collections.get_or_create("together")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: collections.add(found.id, f"{number:064x}"), range(4)))
    assert len(collections.get(found.id).artifacts) == 4
    collections.add(found.id, f"{1:064x}")
    assert len(collections.get(found.id).artifacts) == 4
    collections.remove(found.id, f"{1:064x}")
    assert f"{1:064x}" not in collections.get(found.id).artifacts


def test_a_deleted_collection_is_not_found_and_its_name_can_be_used_again(collections: Collections) -> None:
    found = collections.get_or_create("old")
    collections.delete(found.id)
    assert collections.all() == []
    with pytest.raises(NotFound):
        collections.get(found.id)
    with pytest.raises(NotFound):
        collections.add(found.id, "0" * 64)
    assert collections.get_or_create("old").id != found.id


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b"])
def test_an_invalid_name_is_refused(collections: Collections, name: str) -> None:
    with pytest.raises(WrongInput):
        collections.get_or_create(name)


@pytest.mark.parametrize("identity", ["../refs", "..", "", "no-such"])
def test_an_unknown_or_malformed_id_is_not_found(collections: Collections, identity: str) -> None:
    with pytest.raises(NotFound):
        collections.get(identity)
