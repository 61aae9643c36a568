"""The form of `generate-images` in the Prefect UI, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from flows.running.prefect_api import api_of
from flows.running.settings import Settings

FIELDS = ("Prompt", "Style (Optional)", "How many (Optional)", "Size (Optional)", "Seed (Optional)")
"""The titles in the UI, in the order in which they should appear."""
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture
def visitor(visit: Callable[..., Any], stack_settings: Settings) -> Any:
    """A browser that is signed in to the Prefect UI and shows the list of deployments."""
    api = api_of(stack_settings)
    visitor = visit("en")
    visitor.page.goto(f"{api.url.removesuffix('/api')}/deployments")
    visitor.page.locator("input[type=password]").fill(api.auth_string.get_secret_value())
    visitor.page.get_by_role("button", name="Login").click()
    return visitor


def open_form(page: Page, deployment: str) -> None:
    page.get_by_role("link", name=deployment).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    expect(page.get_by_text("Parameters", exact=True).first).to_be_visible()


def open_run(page: Page) -> None:
    """Open the pictures of the newest run; reload its page if the UI's own script failed."""
    page.locator('a[href*="/runs/flow-run/"]').first.click()
    page.wait_for_url("**/flow-run/**")
    for _ in range(8):
        page.get_by_text("Artifacts", exact=True).last.click()
        try:
            page.get_by_role("link", name=re.compile("generate-images-pictures")).click(timeout=30_000)
            return
        except PlaywrightTimeout:
            page.reload()
    raise AssertionError("the run left no page of pictures")


def test_generate_images_is_a_form_and_its_run_shows_the_pictures(visitor: Any) -> None:
    page = visitor.page
    open_form(page, "generate-images")
    fields = [page.get_by_text(name, exact=True).first for name in FIELDS]
    for field in fields:
        expect(field).to_be_visible()
    heights = [field.bounding_box()["y"] for field in fields]
    assert heights == sorted(heights)
    expect(page.get_by_text("Another seed gives other pictures of the same prompt.")).to_be_visible()
    page.locator("form textarea").first.fill("frog")
    page.locator("form input[type=number]").first.fill("2")
    visitor.shoot("prefect-form")
    page.get_by_role("button", name="Submit").click()
    open_run(page)
    sheet = page.locator('img[src^="data:image/jpeg;base64,"]').first
    expect(sheet).to_be_visible()
    assert sheet.evaluate("picture => picture.naturalWidth") > 2 * 64
    expect(page.get_by_role("link", name="open")).to_have_count(2)
    visitor.shoot("prefect-pictures")
    visitor.assert_local_requests()
