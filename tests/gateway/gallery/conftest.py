"""Fixtures of the browser tests: Debian's Chromium, restricted to this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.paths import ROOT

PICTURES = ROOT / "out" / "screenshots"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 860}
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The name of any other machine is not resolved.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
# The first search loads models, on a machine that may be busy.
expect.set_options(timeout=90_000)
_HERE = frozenset({"127.0.0.1", ""})


class Visitor:
    """A browser context of one person; `requested` holds the requested addresses, `faults` the script errors."""

    def __init__(self, context: BrowserContext) -> None:
        self.requested: list[str] = []
        self.faults: list[str] = []
        context.on("request", lambda request: self.requested.append(request.url))
        context.set_default_timeout(90_000)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if "Content Security" in said.text else None)

    def shoot(self, name: str) -> None:
        """Save a screenshot under out/."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def check(self, name: str) -> None:
        """axe-core must find nothing serious, and nothing may be wider than a phone."""
        assert serious(self.page) == [], name
        self._fits_a_phone(name)

    def look(self, name: str) -> None:
        """Save screenshots in light, dark and phone size; assert that axe-core finds nothing serious in any."""
        for theme in ("dark", "light"):
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            self.shoot(f"{name}-{theme}")
            assert serious(self.page) == [], (name, theme)
        self.page.set_viewport_size(PHONE)
        assert serious(self.page) == [], (name, "phone")
        self.glance(name)

    def glance(self, name: str) -> None:
        """Save screenshots in phone and desktop size; assert that nothing is wider than the phone."""
        self._fits_a_phone(name, keep=True)
        self.shoot(name)

    def _fits_a_phone(self, name: str, *, keep: bool = False) -> None:
        self.page.set_viewport_size(PHONE)
        if keep:
            self.shoot(f"{name}-phone")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than a phone"
        self.page.set_viewport_size(DESK)

    def leave(self) -> None:
        """Assert that no script failed, and that no request left the machine."""
        assert self.faults == []
        self.assert_local_requests()

    def assert_local_requests(self) -> None:
        """Assert that no request left the machine; alone for pages of other projects, whose scripts have errors."""
        assert {urlsplit(url).hostname or "" for url in self.requested} <= _HERE


def serious(page: Page) -> list[str]:
    """List the violations that axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:3]]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium with a new profile. Of module scope, because no other event loop may run in this thread meanwhile."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: .ci/run should have installed it")
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS, ignore_default_args=["--headless=old"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser context with a language."""
    with ExitStack() as stack:

        def open_one(language: str = "en", **options: Any) -> Visitor:
            chosen = {"locale": language, "viewport": DESK, "reduced_motion": "reduce"} | options
            context = chromium.new_context(**chosen)
            stack.callback(context.close)
            return Visitor(context)

        yield open_one
