"""Hostile text from people and recordings stays data: it is not interpreted as shell, SQL, HTML or Markdown."""

import re
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from flows.ingest import ingest_files
from flows.library.markdown import escaped, ingest_page, transcript_page
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.search import find
from gateway.cli.demo import Demo, _page
from gateway.cli.uploads import upload
from modalities.speech.segments import Segment
from modalities.speech.subtitles.cues import cues
from modalities.speech.subtitles.formats import to_srt, to_vtt
from stack.lifecycle import StackStatus

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "[click](javascript:alert(1)) ![x](https://example.com/spy.png)",
    "https://example.com/spy *bold* _thin_ ~~gone~~ `code` # head",
    "| a | b |\n|---|---|\n| c | d |",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "'; drop table entries; -- ",
    "%s %d {0} {{ 7 * 7 }} {% raw %} ${HOME} $(touch owned) `touch owned`; rm -rf ~ | cat",
    "one --> two\n\n2\n00:00:00,000 --> 00:00:09,000\nthree",
    "WEBVTT\n\nNOTE no\n\nSTYLE\n::cue { color: red }",
    "\u202egnp.exe\u0000\u0007 \\x00 \\u202e",
]


class Tags(HTMLParser):
    """Collect the tags of a page and the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


def segment(text: str) -> Segment:
    return Segment(start_seconds=0.0, end_seconds=3.0, text=text)


@pytest.mark.parametrize("text", NASTY)
def test_markdown_pages_escape_hostile_text(text: str) -> None:
    markdown = MarkdownIt("js-default", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    for page in (ingest_page([(text, "rejected", "", text)]), transcript_page(text, "en", [(1.0, text)])):
        shown = markdown.render(page)
        assert {tag for tag, _ in Tags(shown).found} <= {"table", "thead", "tbody", "tr", "th", "td", "h2"}
        assert " ".join(text.split()) in " ".join(
            unescape(re.sub(r"</?\w+>", " ", shown)).replace("\ufffd", "\0").split()
        )
    assert "\n" not in escaped(text)


@pytest.mark.parametrize("text", NASTY)
def test_subtitles_of_hostile_text_have_the_right_cues_and_no_markup(text: str) -> None:
    said = cues([segment(text)])
    srt, vtt = to_srt(said), to_vtt(said)
    assert len(re.findall(r"^[\d:,]+ --> [\d:,]+$", srt, re.MULTILINE)) == len(said)
    assert len(re.findall(r"^[\d:.]+ --> [\d:.]+$", vtt, re.MULTILINE)) == len(said)
    assert Tags(vtt).found == []
    assert vtt.count("WEBVTT\n\n") == 1
    assert "\n\nSTYLE\n" not in vtt


async def test_search_and_labels_treat_hostile_text_as_data(context: RunContext, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text(
        "A note.\n" + "\n".join(text.replace("\0", "").replace("\a", "") for text in NASTY), encoding="utf-8"
    )
    keys = list(upload(context.space.platform.bucket, [path]))
    report = await ingest_files(context, keys, labels=(NASTY[7],))
    assert [item.status for item in report.items] == ["stored"]
    for text in NASTY:
        await find(context, Query(words=text, labels=[text], project=context.space.project))
    hits = (await find(context, Query(words="drop table", labels=[NASTY[7]], project=context.space.project))).hits
    assert [hit.artifact for hit in hits[:1]] == [report.items[0].artifact]


async def test_hostile_file_names_are_metadata_and_never_keys_or_paths(context: RunContext, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    files = [folder / re.sub(r"[/\0]", "∕", text)[:100] for text in NASTY]
    for number, path in enumerate(files):
        path.write_text(f"The words of file {number}.", encoding="utf-8")
    report = await ingest_files(context, list(upload(context.space.platform.bucket, files)))
    assert {item.status for item in report.items} == {"stored"}
    for found in context.space.platform.bucket.objects(f"{context.space.project}/"):
        assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9/]+/[0-9a-f]{64}(\.json)?", found.key), found.key
    for item in report.items:
        name = context.space.records.get(item.artifact or "").name
        assert not re.search(r"[\x00-\x1f\u202e/\\]", name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert not Path("owned").exists()


def test_the_demo_report_escapes_hostile_text(context: RunContext) -> None:
    hits = [
        {"kind": "text", "artifact": "a", "name": text, "text": text, "start_seconds": None, "score": 0.5}
        for text in NASTY
    ]
    items = [{"path": text, "status": "rejected", "kind": None, "reason": text, "artifact": None} for text in NASTY]
    addresses = StackStatus(home="/home", prefect=None, s3=None, gateway=None, parts=[], workers=[])
    demo = Demo(context.space, Console(file=StringIO()))
    page = _page(demo, items, dict.fromkeys(NASTY, hits), {text: text for text in NASTY}, [], addresses)
    assert {tag for tag, _ in Tags(page).found}.isdisjoint({"script", "iframe", "object"})
    assert not [name for _, names in Tags(page).found for name in names if name.startswith("on")]
    assert {tag for tag, names in Tags(page).found if "src" in names} == set()
