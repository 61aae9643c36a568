"""The page of active learning in a browser: one key answers, the next question comes, and u takes it back."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.http.access import COOKIE
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
