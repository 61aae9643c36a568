"""How well questions are answered, on sixty documents of mixed kinds about an invented town (data/asking.yaml).

    python -m benchmarks.asking              # on the running stack: ingest, ask, and print the rates of both halves
    python -m benchmarks.asking --fit        # fit the weights of modalities/answering/evidence.py on the first half

The documents with even numbers, and their questions, are for fitting the weights and choosing the cut-off; the rates
that count are those of the others. All documents are in one project: any of them could answer each question.
"""

import argparse
import asyncio
import io
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flows.answering.ask import CUT_OFF, Scored, encode_passages_here, rank_sentences, report_of
from flows.answering.passages import find_passages
from flows.index.query_vectors import encode_here
from flows.ingest import ingest_files
from flows.running.context import RunContext, local_context
from flows.running.platform import Space, open_platform
from gateway.cli.uploads import upload
from modalities.answering.evidence import NAMES, features
from modalities.answering.questions import Question, read_question
from modalities.speaking.requests import Speak

PROJECT = "asking"
_CUT_OFFS = (0.05, 0.08, 0.1, 0.12, 0.15, 0.18, 0.2, 0.22, 0.25, 0.3, 0.35, 0.4, 0.5)
_RIDGE = 0.3
_STEPS = 60


@dataclass
class Asked:
    """A question about a document, with words of the right sentence; without an answer in any document if empty."""

    text: str
    document: int
    name: str
    right: str = ""
    question: Question | None = None
    scored: list[Scored] = field(default_factory=list[Scored])
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def is_right(self, each: Scored) -> bool:
        """Whether a sentence is of the right document and has the words."""
        found = [part for part in self.right.split("|") if part.lower() in each.candidate.sentence.lower()]
        return bool(self.right) and each.passage.name == self.name and bool(found)


async def main(fit: bool) -> None:
    """Ingest what is missing, ask every question and print the rates."""
    documents: list[dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("data").joinpath("asking.yaml").read_text(encoding="utf-8")
    )
    context = local_context(open_platform().space(PROJECT))
    await _ingest(context, documents)
    asked = [
        Asked(text, number, each["name"], right)
        for number, each in enumerate(documents)
        for text, right in (*each["ask"], *((text, "") for text in each["unknown"]))
    ]
    for each in asked[:3]:  # load the models
        await _ask(context, each)
    for number, each in enumerate(asked, 1):
        await _ask(context, each)
        if number % 20 == 0:
            print(f"{number} of {len(asked)} questions are asked", flush=True)
    if fit:
        _print_weights([each for each in asked if each.document % 2 == 0])
    for title, half in (("fitted on", 0), ("held out", 1)):
        _print_rates(title, [each for each in asked if each.document % 2 == half])
    for title, times in (
        ("seconds", [a.seconds for a in asked]),
        ("processor seconds", [a.cpu_seconds for a in asked]),
    ):
        print(f"{title}: median {statistics.median(times):.3f}, 95th percentile {np.percentile(times, 95):.3f}")


async def _ask(context: RunContext, asked: Asked) -> None:
    started, cpu_started = time.perf_counter(), time.process_time()
    asked.question = read_question(asked.text)
    passages = await find_passages(context, asked.question, (), encode_here)
    asked.scored = await rank_sentences(context, asked.question, passages, encode_passages_here)
    asked.seconds, asked.cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started


def _print_rates(title: str, asked: Sequence[Asked]) -> None:
    answerable, others = [each for each in asked if each.right], [each for each in asked if not each.right]
    print(f"\n{title}: {len(answerable)} answerable, {len(others)} not; the cut-off is {CUT_OFF}")
    print("cut-off  right document cited in three  right sentence first  do not know")
    for cut_off in _CUT_OFFS:
        reports = {id(each): _report(each) for each in asked}
        cited = [_cites(reports[id(each)], each) and reports[id(each)].score >= cut_off for each in answerable]
        first = [
            each.scored[0].score >= cut_off and each.is_right(each.scored[0]) for each in answerable if each.scored
        ]
        refused = [reports[id(each)].score < cut_off for each in others]
        print(f"{cut_off:7.2f}  {np.mean(cited):29.2f}  {sum(first) / len(answerable):20.2f}  {np.mean(refused):11.2f}")


def _report(asked: Asked) -> Any:
    assert asked.question
    return report_of(asked.question, asked.scored, {}, ())


def _cites(report: Any, asked: Asked) -> bool:
    return any(each.name == asked.name for each in (*report.citations, *report.near))


def _print_weights(asked: Sequence[Asked]) -> None:
    """Print the weights of a logistic regression with a ridge, with and without the vectors of sentences."""
    rows = [
        (features(each.question, s.candidate), each.is_right(s)) for each in asked if each.question for s in each.scored
    ]
    x = np.array([row for row, _ in rows])
    y = np.array([right for _, right in rows], float)
    with_sentence = _fitted(x, y)
    x[:, [NAMES.index("sentence"), NAMES.index("sentence, foreign")]] = 0
    for name, weights in (("_WEIGHTS", with_sentence), ("_WEIGHTS_WITHOUT_SENTENCE", _fitted(x, y))):
        print(f"{name} = ({', '.join(f'{weight:.2f}' for weight in weights)})")


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, x.T @ (p - y) + _RIDGE * weights)
    return weights


async def _ingest(context: RunContext, documents: Sequence[dict[str, Any]]) -> None:
    """Make the files and take in those that the project lacks."""
    space = context.space
    known = {row.name for row in space.library.page(PROJECT, limit=200).rows}
    missing = [each for each in documents if each["name"] not in known]
    if not missing:
        return
    with TemporaryDirectory() as folder:
        paths = [_make(space, Path(folder) / each["name"], each["text"].strip()) for each in missing]
        report = await ingest_files(context, list(upload(space.platform.bucket, paths)))
        print(f"{len(missing)} files: {report}")


def _make(space: Space, path: Path, text: str) -> Path:
    """Write a text as a file of the kind that its name says."""
    kind = path.suffix.removeprefix(".")
    paragraphs = text.split("\n\n")
    if kind == "docx":
        _docx(path, paragraphs)
    elif kind == "pdf":
        path.write_bytes(_pdf(paragraphs))
    elif kind == "html":
        body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs[1:])
        path.write_text(f"<html><body><h1>{paragraphs[0]}</h1>{body}</body></html>", encoding="utf-8")
    elif kind == "flac":
        path.write_bytes(_spoken(space, " ".join(text.split())))
    elif kind == "png":
        _sign(path, text.splitlines())
    else:
        path.write_text(text + "\n", encoding="utf-8")
    return path


def _docx(path: Path, paragraphs: Sequence[str]) -> None:
    import docx

    document = docx.Document()
    document.add_heading(paragraphs[0], 1)
    for paragraph in paragraphs[1:]:
        document.add_paragraph(paragraph)
    document.save(str(path))


def _pdf(paragraphs: Sequence[str]) -> bytes:
    """Return a PDF with a page for each heading and the paragraph below it, in lines of about eighty characters."""
    pages = [paragraphs[n : n + 2] for n in range(0, len(paragraphs), 2)]
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
    for page in pages:
        lines = [page[0], "", *(line for text in page[1:] for line in _wrapped(text))]
        shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
        stream = f"BT /F1 11 Tf 60 780 Td 14 TL\n{shown}ET"
        objects.append(f"<</Length {len(stream.encode('cp1252'))}>>stream\n{stream}\nendstream")
        content = len(objects)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents {content} 0 R>>"
        )
    kids = [n for n, each in enumerate(objects, 1) if each.startswith("<</Type/Page/")]
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{n} 0 R' for n in kids)}]>>"
    return _pdf_file(objects)


def _pdf_file(objects: Sequence[str]) -> bytes:
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places: list[int] = []
    for number, each in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{each}\nendobj\n".encode("cp1252"))
    start = out.tell()
    rows = "".join(f"{place:010d} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
    out.write(f"{head}trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def _wrapped(text: str) -> list[str]:
    return re.findall(r".{1,84}(?:\s|$)", " ".join(text.split()))


def _escaped(line: str) -> str:
    return re.sub(r"([\\()])", r"\\\1", line.strip())


def _spoken(space: Space, text: str) -> bytes:
    """Return a text as it is read aloud by the profile's voice."""
    answers, store = space.answers.run_unkept([Speak(model=space.profile.speaking or "", text=text, voice="heart")])
    return store.get(answers[0].artifacts()[0])  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _sign(path: Path, lines: Sequence[str]) -> None:
    image = Image.new("RGB", (900, 130 + 110 * len(lines)), "#f4f1e6")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 60 + 110 * number), line, fill="#102040", font=ImageFont.load_default(60))
    image.save(path)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--fit", action="store_true")
    asyncio.run(main(arguments.parse_args().fit))
