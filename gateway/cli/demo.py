"""The demo: run the flows on the sample files, and write a report as an HTML page."""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import typer
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from flows.running.content_forms import Query
from flows.running.platform import Space, open_platform
from flows.running.settings import ROOT
from gateway.cli.commands.stack import SIGN_IN
from gateway.cli.dispatch import run_deployment, search_at_gateway
from gateway.cli.terminal import exit_code, progress_bar, say
from gateway.cli.uploads import drop_into_inbox
from media.pictures import thumbnail
from stack import lifecycle

SAMPLES = ROOT / "samples"
QUERIES = (
    "a dog on a leash",
    "a red bus in the street",
    "animals in the grass",
    "what you can do for your country",
    "fresh bread and honey",
)
PROMPT, STYLE = "pine tree", "soft"
SUBTITLED = "station.flac"
LANGUAGES = ("de", "fr")


class Step(BaseModel):
    """A step of the demo and its duration."""

    title: str
    seconds: float


class Demo:
    """Run the steps of the demo and record their durations."""

    def __init__(self, space: Space, console: Console) -> None:
        self._space = space
        self._console = console
        self.steps: list[Step] = []

    def run(self, title: str, deployment: str, **parameters: Any) -> dict[str, Any]:
        """Run a deployment as a step and return its report."""
        started = time.perf_counter()
        self._console.print(f"[bold]{title}[/]  ({deployment})")
        with progress_bar() as progress:
            report = run_deployment(
                deployment, {"project": self._space.project, **parameters}, self._space.project, progress
            )
        self.steps.append(Step(title=title, seconds=round(time.perf_counter() - started, 1)))
        return report

    def ingest(self, files: Sequence[Path]) -> list[dict[str, Any]]:
        """Put the samples into the inbox and run process-inbox."""
        drop_into_inbox(self._space.platform.bucket, files)
        items = self.run(f"{len(files)} files from the inbox", "process-inbox")["items"]
        table = Table("file", "status", "kind")
        for item in items:
            table.add_row(item["path"], item["status"], item["kind"] or item["reason"])
        self._console.print(table)
        return items

    def load_search_models(self) -> None:
        """Send the gateway a search, so that its models are loaded while the files are ingested."""
        search_at_gateway(Query(words=QUERIES[0], limit=1, project=self._space.project))

    def search(self, words: str) -> list[dict[str, Any]]:
        """Return the first hits of a search over pictures, speech and texts."""
        started = time.perf_counter()
        query = Query(words=words, limit=4, project=self._space.project)
        found = search_at_gateway(query) or self.run(f"search: {words}", "search", words=words, limit=4)
        self.steps.append(Step(title=f"search: {words}", seconds=round(time.perf_counter() - started, 1)))
        table = Table("score", "kind", "what", title=words, title_justify="left")
        for hit in found["hits"]:
            table.add_row(f"{hit['score']:.3f}", hit["kind"], f"{hit['name']}  {hit['text'][:60]}")
        self._console.print(table)
        return found["hits"]

    def subtitle(self) -> dict[str, str]:
        """Transcribe and translate a recording; return the subtitles by language."""
        # By its bytes: a scheduled run may have stored it before ours did, or it was there under another name.
        recording = hashlib.sha256((SAMPLES / SUBTITLED).read_bytes()).hexdigest()
        report = self.run(f"subtitles of {SUBTITLED}", "subtitle-media", recording=recording, languages=list(LANGUAGES))
        texts = {language: self._text_of(files["srt"]) for language, files in report["subtitles"].items()}
        for language, text in texts.items():
            self._console.print(f"[bold]{language}[/]\n{text}", highlight=False)
        return texts

    def generate(self) -> list[dict[str, Any]]:
        """Generate four pictures."""
        images = self.run(f"four pictures: {STYLE} {PROMPT}", "generate-images", prompt=PROMPT, style=STYLE, count=4)
        for image in images["images"]:
            self._console.print(f"{image['name']}  {image['sha256'][:16]}", highlight=False)
        return images["images"]

    def picture_uri(self, artifact: str, side: int = 320) -> str:
        """Return a thumbnail of a picture as a data URI."""
        import base64

        record = self._space.records.get(artifact)
        small = thumbnail(self._space.store.get(record.artifact), side=side)
        return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"

    def _text_of(self, artifact: dict[str, Any]) -> str:
        from storage.artifacts import Artifact

        return self._space.store.get(Artifact.model_validate(artifact)).decode()


def demo() -> None:
    """Start the stack, run all steps, and report on the terminal and in one HTML page."""
    console = Console()
    began = time.perf_counter()
    addresses = lifecycle.up(report=say)
    work = Demo(open_platform().space("default"), console)
    files = sorted(path for path in SAMPLES.iterdir() if path.name != "LICENCES.md")
    with ThreadPoolExecutor() as threads:
        threads.submit(work.load_search_models)
        items = work.ingest(files)
    found = {words: work.search(words) for words in QUERIES}
    subtitles = work.subtitle()
    images = work.generate()
    page = Path(addresses.home) / "demo.html"
    page.write_text(_page(work, items, found, subtitles, images, addresses), encoding="utf-8")
    console.print(f"\nDone in {time.perf_counter() - began:.0f} s. The report with the pictures: {page}")
    console.print(f"Prefect UI  {addresses.prefect}  ({SIGN_IN})", highlight=False)
    console.print(f"S3          {addresses.s3}\nGateway     {addresses.gateway}")
    console.print(
        "The gateway's page is the gallery; `.venv/bin/triptych token create --name me --role maker` opens it."
    )
    console.print("Go on with `.venv/bin/triptych search …`; stop with `make down`.", highlight=False)


def _page(
    work: Demo,
    items: Sequence[dict[str, Any]],
    found: dict[str, list[dict[str, Any]]],
    subtitles: dict[str, str],
    images: Sequence[dict[str, Any]],
    addresses: lifecycle.StackStatus,
) -> str:
    pictures = {hit["artifact"] for hits in found.values() for hit in hits if hit["kind"] == "image"}
    pictures |= {image["artifact"] for image in images}
    environment = Environment(loader=PackageLoader("gateway.cli"), autoescape=select_autoescape())
    return environment.get_template("demo.html").render(
        items=items,
        found=found,
        subtitles=subtitles,
        images=images,
        addresses=addresses,
        steps=work.steps,
        prompt=f"{STYLE} {PROMPT}",
        pictures={artifact: work.picture_uri(artifact) for artifact in pictures},
    )


if __name__ == "__main__":
    try:
        demo()
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        say(str(error))
        raise typer.Exit(code) from error
