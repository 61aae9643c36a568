"""Suggestions over HTTP: what the gallery keeps of a person, off by default, and how they delete it."""

import httpx
import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from flows.suggesting.interactions import Interactions
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_what_a_person_opens_is_kept_if_the_project_says_so_until_they_delete_it(
    viewer: httpx.Client, stranger: httpx.Client, cat: str, stack_settings: Settings
) -> None:
    html = {"accept": "text/html"}

    def mine() -> dict[str, dict[str, dict[str, int]]]:
        return viewer.get("/api/suggestions/mine").json()["artifacts"]

    interactions = Interactions(Platform(stack_settings).bucket, "api")
    assert viewer.get(f"/artifacts/{cat}", headers=html).status_code == 200
    assert viewer.post(f"/api/artifacts/{cat}/interactions", json={"action": "opened"}).status_code == 204
    assert viewer.get("/api/suggestions").json() == {"kept": False, "suggestions": []}
    assert mine() == {}
    interactions.keep()
    try:
        viewer.get(f"/artifacts/{cat}", headers=html)
        viewer.get(f"/api/artifacts/{cat[:12]}/download")
        both = {"opened": 1, "downloaded": 1}
        wait_for(lambda: mine().get(cat, {}).get("times") == both, 20, "what was opened and downloaded")
        assert viewer.get("/api/suggestions").json()["kept"] is True
        beside = viewer.get(f"/api/artifacts/{cat}/goes-with").json()
        assert cat not in [each["artifact"] for each in beside["suggestions"]]
        assert stranger.get(f"/api/artifacts/{cat}/goes-with").status_code == 404
        assert viewer.post("/suggestions/forget", headers=html).status_code == 303
        assert mine() == {}
    finally:
        interactions.stop()
