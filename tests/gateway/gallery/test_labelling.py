"""The page of active learning in a browser: one key answers, the next question comes, and u takes it back."""

import io
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from flows.library.classification.classifiers import classifier_model
from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.http.access import COOKIE
from modalities.classification.head import Head, HeadFacts
from modalities.models.published import PublishedModels
from storage.records import ArtifactRecord
from tests.flows.learning.test_uncertain import predicted
from tests.gateway.conftest import NewToken
from tests.gateway.gallery.conftest import Visitor
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_a_key_answers_and_takes_back(
    visit: Callable[..., Visitor], address: str, new_token: NewToken, stack_settings: Settings
) -> None:
    project = f"labelling-{uuid4().hex[:8]}"
    space = Platform(stack_settings).space(project)
    ids = [predicted(space, f"{n}.txt", 0.3 + n / 10, sure=False, classes=("warm", "cold", "kind")) for n in range(2)]

    def labels(number: int) -> tuple[str, ...]:
        return space.labels.of(space.records.get(ids[number]))

    visitor = visit()
    page = visitor.page
    page.context.add_cookies([{"name": COOKIE, "value": new_token("maker", project), "url": address}])
    page.goto(f"{address}/review/labels")
    expect(page.locator("html[data-ready]")).to_have_count(1)
    expect(page.get_by_role("region", name="0.txt")).to_be_visible()
    visitor.check("labelling")
    page.keyboard.press("2")  # cold, kind, warm
    expect(page.get_by_role("region", name="1.txt")).to_be_visible()
    page.get_by_role("button", name="cold").click()
    wait_for(lambda: (labels(0), labels(1)) == (("kind",), ("cold",)), 20, "both answers")
    expect(page.get_by_text("2 of 2 answered")).to_be_visible()
    page.keyboard.press("u")
    wait_for(lambda: labels(1) == (), 20, "that the answer is taken back")
    page.goto(f"{address}/review/labels?classifier=tone")
    expect(page.get_by_role("region", name="1.txt")).to_be_visible()
    visitor.leave()


def test_the_page_of_an_artifact_says_why_a_classifier_labelled_it(
    address: str, new_token: NewToken, stack_settings: Settings, tmp_path: Path
) -> None:
    project = f"why-{uuid4().hex[:8]}"
    platform = Platform(stack_settings)
    space = platform.space(project)
    # Always the same, as the weights below: without a word that changes the probability the page names none.
    words = "The soup was cold, and nobody smiled."
    text = predicted(space, "a note.txt", 0.9, sure=True, classes=("warm", "cold"), text=words)
    target = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(target, "PNG")
    picture = space.store.put(target.getvalue(), media_type="image/png")
    space.records.add(ArtifactRecord(artifact=picture, project=project, name="gradient.png"))
    rng = np.random.default_rng(1)
    for name, kind, model in (
        ("tone", "texts", space.profile.passages),
        ("looks", "pictures", space.profile.pictures),
    ):
        space_name = platform.vector_space(model)
        weight = rng.normal(size=(2, {"texts": 384, "pictures": 768}[kind])).astype(np.float32)
        facts = HeadFacts.model_validate(
            {
                "kind": kind,
                "labels": ("warm", "cold"),
                "encoder": model,
                "space": space_name,
                "temperature": 1.0,
                "threshold": 0.0,
                "dataset": "made@up",
            }
        )
        Head(facts, weight, np.zeros(2, np.float32)).save(tmp_path / name)
        published = PublishedModels(platform.bucket)
        model_name = classifier_model(project, name)
        published.move_alias(model_name, "live", published.upload(model_name, tmp_path / name), {"what": "published"})
    cookies = {COOKIE: new_token("viewer", project)}
    with httpx.Client(base_url=address, cookies=cookies, timeout=180) as client:
        assert 'href="?why=tone"' in client.get(f"/artifacts/{text}").text
        assert "What tone went by:" in client.get(f"/artifacts/{text}", params={"why": "tone"}).text
        page = client.get(f"/artifacts/{picture.sha256}", params={"why": "looks"}).text
        assert f"/heat-maps/{picture.sha256}?classifier=looks" in page
        heat = client.get(f"/heat-maps/{picture.sha256}", params={"classifier": "looks"})
        assert (heat.status_code, heat.headers["content-type"]) == (200, "image/png")
