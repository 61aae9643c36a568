"""What translation keeps, how sure a model is when it is right, and how fast it is.

    python -m benchmarks.translation protection DATA [PAIR …]    200 sentences with one span, 200 with numbers, a pair
    python -m benchmarks.translation bound DATA         the bounds `doubtful_below`, from held-out sentences
    python -m benchmarks.translation speed              p50 of one short sentence, and throughput beside transformers

DATA is a folder of `NAME.en-xx.tsv[.gz]`: for `protection` texts of programs and shops, for `bound` test sentences.
"""

import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from modalities.contract import no_progress
from modalities.models.catalogue import load_catalogue
from modalities.models.weights import WeightsLocator
from modalities.translation.protection.numbers import missing_numbers
from modalities.translation.requests import Translate, Translation
from modalities.translation.translator import CTranslate2Translator
from tests.paths import ROOT
from training.translation.data import Pair, read_pairs

LANGUAGES = ("de", "fr", "es", "zh")
PAIRS = [("en", each) for each in LANGUAGES] + [(each, "en") for each in LANGUAGES]
SENTENCES = 200
# Not the expressions of modalities/translation/protection, so that what these do not find is counted as lost.
SPANS = re.compile(
    r"`[^`]+`|https?://[^\s<>()\"'，。）]*[\w/]|[\w.+-]+@[\w-]+\.[\w.-]*\w|\{\{[^{}]+\}\}|\$?\{[^{}\s]*\}"
    r"|%\(\w+\)[sd]|%\d*\$?[sd@]|</?[a-z][^<>]*>|--[a-z][\w-]+|\b\w+_\w+\b|\b[A-Z]\w*\.[a-z]\w*\(\)",
    re.ASCII,
)
NUMBER = re.compile(r"\d+")
REGISTERS = ("bookstack-ui", "bagisto-ui", "wagtail-ui", "oscar-ui", "tldr-pages", "aosp-ui", "dspace-ui", "indico-ui")


def operator(source: str) -> CTranslate2Translator:
    """Load the starter's model for a source language."""
    name = "translation-en-x" if source == "en" else "translation-x-en"
    spec = load_catalogue(ROOT / "configs" / "models.yaml", "starter").spec(name)
    return CTranslate2Translator.load(spec, WeightsLocator(ROOT, ROOT / ".triptych" / "cache", None).locate(spec))


def ask(model: CTranslate2Translator, texts: list[str], source: str, target: str) -> list[Translation]:
    """Translate each text as a request of its own."""
    requests = [Translate(model="m", lines=(text,), source=source, target=target) for text in texts]
    answers = model(requests, cast(Any, None), no_progress)
    return [answer for answer in answers if isinstance(answer, Translation)]


def programs_texts(data: Path, source: str, target: str) -> list[Pair]:
    """Read the texts of programs and shops in a folder, shuffled."""
    language = target if source == "en" else source
    with TemporaryDirectory(prefix="triptych-") as folder:
        for path in sorted(data.glob(f"*.en-{language}.tsv*")):
            if any(each in path.name for each in REGISTERS):
                (Path(folder) / path.name).symlink_to(path)
        pairs = read_pairs(Path(folder), [source], [target])
    random.Random(7).shuffle(pairs)
    return pairs


def with_one_span(pairs: list[Pair]) -> Iterator[tuple[str, str]]:
    """Yield short texts with exactly one span, each with the span."""
    for pair in pairs:
        found = SPANS.findall(pair.source)
        words = SPANS.sub(" ", pair.source)
        if len(found) == 1 and 3 <= len(words.split()) + len(re.findall(r"[\u4e00-\u9fff]", words)) // 2 <= 16:
            yield pair.source, found[0]


def protection(data: Path, *wanted: Path) -> None:
    """Print which share of spans is in the answer, byte for byte, and of the texts with numbers which share has all.

    A number is there if its digits are, with whatever separators (1,000 and 1.000), or, counted apart, if it is there
    in another way: in words, in Roman numerals, as 15 for 3 p.m. A text is lost if any of its numbers is.
    """
    for source, target in [pair for pair in PAIRS if not wanted or Path("-".join(pair)) in wanted]:
        pairs = programs_texts(data, source, target)
        chosen = list(dict(with_one_span(pairs)).items())[:SENTENCES]
        numbers = [p.source for p in pairs if NUMBER.search(p.source) and not SPANS.search(p.source)][:SENTENCES]
        numbers = [text for text in numbers if len(text) < 120]
        model = operator(source)
        answers = ask(model, [text for text, _ in chosen], source, target)
        lost = [
            (text, answer.lines[0])
            for (text, span), answer in zip(chosen, answers, strict=True)
            if answer.lines[0].count(span) < 1
        ]
        doubtful = sum(bool(answer.doubts) for answer in answers)
        said = ask(model, numbers, source, target)
        missing = sum(
            any(n not in re.sub(r"(?<=\d)[.,\u202f\u00a0 ](?=\d)", "", a.lines[0]) for n in _numbers(t))
            for t, a in zip(numbers, said, strict=True)
        )
        marked = sum(bool(answer.doubts) for answer in said)
        absent = [(t, a) for t, a in zip(numbers, said, strict=True) if missing_numbers(t, a.lines[0], target)]
        unmarked = sum(not answer.doubts for _, answer in absent)
        print(
            f"{source}-{target}: spans {100 * (1 - len(lost) / len(chosen)):.1f} % of {len(chosen)} kept "
            f"({doubtful} marked as doubtful), numbers {100 * (1 - missing / len(numbers)):.1f} % of {len(numbers)} "
            f"in digits, {100 * (1 - len(absent) / len(numbers)):.1f} % in any way ({marked} marked; {unmarked} of "
            "those that lost one are not)",
            flush=True,
        )
        for text, answer in [*lost[:3], *((text, answer.lines[0]) for text, answer in absent[:3])]:
            print("   lost:", text, "→", answer)


def _numbers(text: str) -> list[str]:
    return NUMBER.findall(re.sub(r"(?<=\d)[.,\u202f\u00a0](?=\d)", "", text))


def bound(data: Path) -> None:
    """Print for each pair the score below which most answers are bad (chrF under 35, into Chinese 15)."""
    from sacrebleu import sentence_chrf

    for source, target in PAIRS:
        pairs = read_pairs(data, [source], [target])
        random.Random(1).shuffle(pairs)
        sample = pairs[:120]
        model = operator(source)
        scored: list[tuple[float, bool]] = []
        for pair in sample:
            tokens = model.model.vocabulary.model_input(model.model.vocabulary.tokenize(pair.source), source, target)
            output = model.model.translate([tokens], no_progress)[tokens]
            quality = sentence_chrf(output.text, [pair.target]).score
            scored.append((output.score, quality < (15 if target == "zh" else 35)))
        candidates = sorted({round(score, 2) for score, _ in scored})
        best = max(candidates, key=lambda b: sum((score < b) == is_bad for score, is_bad in scored))
        flagged = [is_bad for score, is_bad in scored if score < best]
        kept = [is_bad for score, is_bad in scored if score >= best]
        below, above = f"{sum(flagged)} of {len(flagged)}", f"{sum(kept)} of {len(kept)}"
        print(f"{source}-{target}: {best:.2f}: {below} below it are bad, {above} above")


def speed() -> None:
    """Print the latency of one short sentence, and sentences per second beside transformers."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    model = operator("en")
    texts = [f"I have {number} dogs and an old house." for number in range(2, 66)]
    seconds: list[float] = []
    for text in texts[:40]:
        started = time.perf_counter()
        ask(model, [text], "en", "de")
        seconds.append(time.perf_counter() - started)
    print(f"one sentence: p50 {1000 * statistics.median(seconds):.1f} ms")
    started = time.perf_counter()
    ask(model, texts, "en", "de")
    ours = len(texts) / (time.perf_counter() - started)
    folder = ROOT / "models" / "translation-en-x"
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    theirs: Any = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer([f">>de<< {text}" for text in texts], padding=True, return_tensors="pt")
    started = time.perf_counter()
    with torch.no_grad():
        theirs.generate(**inputs, num_beams=4, max_new_tokens=64, early_stopping=True)
    other = len(texts) / (time.perf_counter() - started)
    print(f"{ours:.0f} sentences a second, transformers {other:.0f}: {ours / other:.1f} times as many")


if __name__ == "__main__":
    command, *folders = sys.argv[1:]
    {"protection": protection, "bound": bound, "speed": speed}[command](*map(Path, folders))
