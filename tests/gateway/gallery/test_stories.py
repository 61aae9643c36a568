"""User stories of the gallery in a real browser, on the whole stack, in both languages."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from flows.running.platform import Platform, Space
from flows.running.settings import Settings
from gateway.gallery.locale import Language, translator
from gateway.tokens import Tokens
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
FILES = ("cat-and-mirror.jpg", "weather.wav", "autumn-market.txt")


class Guest:
    """A person with a token of their own project, in a browser."""

    def __init__(self, visitor: Any, address: str, space: Space, language: Language, token: str) -> None:
        self.visitor, self.address, self.space, self.language, self.token = visitor, address, space, language, token
        self.translate = translator(language)
        self.thorough = False

    @property
    def page(self) -> Page:
        return self.visitor.page

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}{path}")

    def button(self, text: str) -> Any:
        return self.page.get_by_role("button", name=self.translate(text), exact=True)

    def link(self, text: str) -> Any:
        return self.page.get_by_role("link", name=self.translate(text), exact=True)

    def field(self, text: str) -> Any:
        return self.page.get_by_label(re.compile(f"^{re.escape(self.translate(text))}"))

    def wait_for_scripts(self) -> None:
        """Wait until the event handlers are installed; keys and clicks before that have no effect."""
        self.page.locator("html[data-ready]").wait_for()

    def look(self, name: str) -> None:
        """Check the page; when thorough, in all themes in English, and for overflow in Chinese."""
        self.wait_for_scripts()
        if not self.thorough:
            self.visitor.check(name)
        elif self.language == "en":
            self.visitor.look(f"{self.language}-{name}")
        else:
            self.visitor.glance(f"{self.language}-{name}")

    def sign_in(self) -> None:
        self.go("/")
        expect(self.page).to_have_url(re.compile("/sign-in"))
        self.look("sign-in")
        self.field("Your token").fill("wrong")
        self.button("Sign in").click()
        expect(self.page.get_by_role("alert")).to_have_text(
            self.translate("This token is not right, or it was revoked.")
        )
        self.field("Your token").fill(self.token)
        self.button("Sign in").click()
        expect(self.page).to_have_url(f"{self.address}/")


@pytest.fixture
def guest(visit: Callable[..., Any], stack_settings: Settings) -> Callable[[Language], Guest]:
    platform = Platform(stack_settings)

    def invite(language: Language, role: Any = "maker") -> Guest:
        project = f"gallery-{uuid4().hex[:8]}"
        token = Tokens(platform.bucket).create(project, role, project)
        return Guest(visit(language), str(stack_settings.gateway_url), platform.space(project), language, token)

    return invite


def refuse_next_events(guest: Guest) -> None:
    """Let the next stream of a job's events be refused, as by a proxy while the gateway restarts."""
    refused: list[Route] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route)
        route.fulfill(status=503)

    # Not times=1: a request that the page makes while Playwright takes the last route away gets no answer at all.
    guest.page.route("**/api/jobs/*/events", refuse_once)


def upload(guest: Guest, tmp_path: Path) -> None:
    """Upload three files, one whose content does not match its name, which is refused with one sentence, and junk."""
    refuse_next_events(guest)
    broken = tmp_path / "page.jpg"
    broken.write_text("<html>no picture</html>")
    junk = [tmp_path / name for name in (".DS_Store", "._page.jpg", "Thumbs.db")]
    for path in junk:
        path.write_bytes(b"left behind")
    guest.link("Upload").click()
    guest.page.locator("input[type=file]").set_input_files([*(SAMPLES / name for name in FILES), broken, *junk])
    lines = guest.page.locator(".files li")
    expect(lines).to_have_count(4)
    skipped = guest.translate("Skipped, as systems leave them behind: {count}").format(count=3)
    expect(guest.page.locator("[data-skipped]")).to_have_text(skipped)
    for name in FILES:
        expect(lines.filter(has_text=name).locator(".fate")).to_have_text(guest.translate("stored"), timeout=180_000)
    expect(lines.filter(has_text="page.jpg")).to_have_class("rejected", timeout=180_000)
    reason = lines.filter(has_text="page.jpg").locator(".fate").inner_text()
    assert reason.endswith(".")
    assert reason.count(".") == 1
    guest.look("upload")


def search(guest: Guest) -> None:
    """Search, open the first card and go back, by keyboard alone."""
    page = guest.page
    guest.link("Library").click()
    expect(page.locator(".card")).to_have_count(3)
    guest.look("library")
    page.locator("body").press("/")
    page.keyboard.type("a cat at a mirror")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)  # what is improbable is no hit
    guest.look("search")
    page.get_by_text(guest.translate("Pictures"), exact=True).click()
    expect(page).to_have_url(re.compile("kind=image"))
    expect(page.locator(".card")).to_have_attribute("class", "card image")
    guest.wait_for_scripts()
    page.locator("#main").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card a.face").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(FILES[0])
    guest.look("picture")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("q=a"))
    guest.go("/?q=honey")
    expect(page.locator("mark")).to_have_text("honey")


def play(guest: Guest) -> None:
    """Open a hit in a recording at its time; the transcript follows the playback and seeks on a click."""
    page = guest.page
    guest.go("/?q=weather&kind=speech")
    moment = page.locator(".card.speech a.face").last
    expect(moment).to_have_attribute("href", re.compile(r"at=[\d.]+"))
    moment.click()
    lines = page.locator(".transcript button")
    expect(lines.first).to_be_visible()
    guest.wait_for_scripts()
    sound = page.locator("audio")
    lines.last.click()
    start = float(str(lines.last.get_attribute("data-start")))
    page.wait_for_function("start => document.querySelector('audio').currentTime >= start", arg=start)
    expect(lines.last).to_have_attribute("aria-current", "true")
    assert sound.evaluate("sound => sound.textTracks[0].kind") == "captions"
    guest.look("player")


def make(guest: Guest) -> None:
    """Generate two pictures."""
    page = guest.page
    guest.link("Make").click()
    guest.look("make")
    guest.field("What they show").fill("owl")
    guest.field("Style").fill("soft")
    guest.field("How many").fill("2")
    refuse_next_events(guest)
    guest.button("Make them").click()
    expect(page).to_have_url(re.compile(r"/make/[0-9a-f-]{36}"))
    expect(page.locator(".made .card[data-artifact]")).to_have_count(2, timeout=240_000)
    expect(page.locator("[data-state]")).to_have_text(guest.translate("Done"), timeout=240_000)
    page.wait_for_function("[...document.querySelectorAll('.made img')].every(image => image.naturalWidth > 0)")
    guest.look("made")


def review(guest: Guest) -> None:
    """Select the first picture and reject the second by keyboard; both are stored as labels at once."""
    page = guest.page
    guest.link("Review these pictures").click()
    pictures = page.locator(".strip button")
    expect(pictures).to_have_count(2)
    guest.wait_for_scripts()
    names = [str(pictures.nth(number).get_attribute("data-artifact")) for number in range(2)]
    for key in ("s", "x"):
        with page.expect_response(re.compile("/verdict$")) as answer:
            page.keyboard.press(key)
        assert answer.value.ok
    guest.look("review")
    labels = [guest.space.labels.of(guest.space.records.get(name)) for name in names]
    assert ["selected" in labels[0], "rejected" in labels[0]] == [True, False]
    assert ["selected" in labels[1], "rejected" in labels[1]] == [False, True]
    guest.go("/?label=selected")
    expect(page.locator(".card")).to_have_count(1)


def lineage(guest: Guest) -> None:
    """Generate a picture from another one; each links to the other in its lineage."""
    page = guest.page
    page.locator(".card a.face").first.click()
    parent = page.get_by_role("heading", level=1).inner_text()
    expect(page.locator(".recipe")).to_contain_text("icons")
    guest.link("Make more like this").click()
    page.get_by_role("checkbox", name=guest.translate("Start from this picture")).check()
    guest.field("How many").fill("1")
    guest.look("make-more")
    guest.button("Make them").click()
    expect(page.locator("[data-state]")).to_have_text(guest.translate("Done"), timeout=240_000)
    page.locator(".made a.face").first.click()
    expect(page.locator(".lineage a")).to_have_text(parent)
    guest.look("made-picture")
    page.locator(".lineage a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(parent)
    expect(page.locator(".lineage a")).to_have_count(1)


def collect(guest: Guest) -> None:
    """Add a picture to a collection, and find it there."""
    page = guest.page
    name = page.get_by_role("heading", level=1).inner_text()
    guest.field("Collection").fill("Owls")
    page.keyboard.press("Enter")
    expect(page.locator(".labels a", has_text="Owls")).to_be_visible()
    guest.field("New label").fill("night")
    page.keyboard.press("Enter")
    expect(page.locator(".labels a", has_text="night")).to_be_visible()
    guest.link("Collections").click()
    guest.look("collections")
    page.locator(".card.collection a").first.click()
    expect(page.locator(".card .caption")).to_contain_text(name)


def delete(guest: Guest) -> None:
    """Delete a picture: it leaves the library, is found in the trash, and one button brings it back."""
    page = guest.page
    page.locator(".card a.face").first.click()
    name = page.get_by_role("heading", level=1).inner_text()
    guest.button("Delete").click()
    expect(guest.button("Delete")).to_have_count(0)
    guest.look("deleted")
    artifact = page.url
    guest.link("Library").click()
    expect(page.locator(".card")).not_to_have_count(0)
    expect(page.locator(".card .caption", has_text=name)).to_have_count(0)
    page.goto(artifact)
    guest.link("Show the trash").click()
    expect(page.locator(".card .caption")).to_contain_text(name)
    page.locator(".card a.face").first.click()
    guest.button("Take it out of the trash").click()
    expect(guest.button("Delete")).to_be_visible()


def sign_out(guest: Guest) -> None:
    """Choose theme and language, sign out, and be asked for the token again."""
    page = guest.page
    other: Language = "en" if guest.language == "zh-Hans" else "zh-Hans"
    guest.button("Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(f"[name=language][value={other}]").click()
    expect(page.locator("html")).to_have_attribute("lang", other)
    page.get_by_role("button", name=translator(other)("Sign out")).click()
    expect(page).to_have_url(re.compile("/sign-in"))
    guest.go("/collections")
    expect(page).to_have_url(re.compile("/sign-in"))


@pytest.mark.parametrize(
    ("language", "thorough"),
    [
        pytest.param("en", False, id="en"),
        pytest.param("en", True, id="en-in every form", marks=pytest.mark.soak),
        pytest.param("zh-Hans", True, id="zh-Hans", marks=pytest.mark.soak),
    ],
)
def test_a_maker_uploads_searches_listens_makes_reviews_and_collects(
    guest: Callable[..., Guest], language: Language, thorough: bool, tmp_path: Path
) -> None:
    person = guest(language)
    person.thorough = thorough
    person.sign_in()
    person.look("empty")
    upload(person, tmp_path)
    search(person)
    play(person)
    make(person)
    review(person)
    lineage(person)
    collect(person)
    delete(person)
    sign_out(person)
    person.visitor.leave()


def test_a_viewer_sees_no_pages_that_generate_or_upload(guest: Callable[..., Guest]) -> None:
    person = guest("en", role="viewer")
    person.sign_in()
    expect(person.link("Make")).to_have_count(0)
    expect(person.link("Upload")).to_have_count(0)
    answer = person.page.goto(f"{person.address}/make")
    assert answer
    assert answer.status == 403
    expect(person.page.get_by_role("alert")).to_contain_text("viewer")
    person.look("not-allowed")
    person.visitor.leave()
