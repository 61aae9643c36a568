"""Let a language model write the answer, and hold each of its sentences against the sources."""

import re
from collections.abc import Sequence

from flows.answering.reports import AnswerReport, Citation, Sentence
from flows.answering.writers import Writer
from media.errors import ItemError
from modalities.answering.evidence import coverage
from modalities.answering.questions import language_of, read_question
from modalities.answering.sentences import split_sentences
from modalities.writing.requests import Turn
from storage.index.lexemes import tokens

_MARK = re.compile(r"\s*\[(\d+)\]")
_MARK_AFTER_END = re.compile(r"([.!?。！？])((?:\s*\[\d+\])+)")
_FEWEST_WORDS = 0.5
"""The share of the words of a sentence that its source has; another language has other words."""
_NOT_KNOWN = "NOT IN THE SOURCES"
_ORDER = (
    "Answer the question in its own language ({language}) from the numbered sources alone. Put the number of the "
    f"source behind every sentence, such as [1]. If the sources do not answer it, write {_NOT_KNOWN} and nothing else."
)
NOT_FOUND = "not found in the sources"


async def write_answer(report: AnswerReport, writer: Writer) -> AnswerReport:
    """Return the answer in the words of a writer, every sentence with its citations or none.

    Where there is no answer, the writer is not asked. Where it fails, or writes nothing that the sources say, the
    answer stays as it was, with a notice.
    """
    if not report.known:
        return report
    try:
        text = await writer.write(_turns(report))
    except ItemError as error:
        return _unwritten(report, f"{error} The answer is a sentence of the source.")
    sentences = tuple(_checked(sentence, report.citations) for sentence in _sentences(text))
    if not any(each.citations for each in sentences):
        notice = f"{writer.name} wrote nothing that the sources say: the answer is one of their sentences."
        return _unwritten(report, notice)
    update = {"text": " ".join(map(_marked, sentences)), "sentences": sentences, "written_by": writer.name}
    return report.model_copy(update=update)


def _turns(report: AnswerReport) -> list[Turn]:
    sources = "\n\n".join(f"[{each.number}] {each.name}\n{each.text}" for each in report.citations)
    order = _ORDER.format(language=report.language)
    return [Turn(role="system", text=order), Turn(role="user", text=f"{sources}\n\nQuestion: {report.question}")]


def _sentences(text: str) -> list[str]:
    """Split a text; a number behind the full stop belongs to the sentence before it."""
    return split_sentences(_MARK_AFTER_END.sub(r"\2\1", text))


def _checked(sentence: str, citations: Sequence[Citation]) -> Sentence:
    """Return the sentence with those of the sources that it names and that say it, else with any that say it."""
    bare = re.sub(r"\s+([.!?。！？])", r"\1", _MARK.sub("", sentence)).strip()
    named = {int(number) for number in _MARK.findall(sentence)}
    saying = [each.number for each in citations if _says(each, bare)]
    kept = [number for number in saying if number in named] or saying[:1]
    return Sentence(text=bare, citations=tuple(kept))


def _says(citation: Citation, sentence: str) -> bool:
    """Whether a source has the numbers of a sentence and, in the same language, half of its words."""
    source = f"{citation.name} {citation.text}"
    numbers = {token for token in tokens(sentence) if token.isdigit()}
    if _NOT_KNOWN in sentence or not numbers <= set(tokens(source)):
        return False
    if language_of(sentence) != language_of(citation.text):
        return bool(numbers)
    words = read_question(sentence).words
    return bool(words) and sum(coverage(words, source)) >= _FEWEST_WORDS * len(words)


def _marked(sentence: Sentence) -> str:
    marks = "".join(f"[{number}]" for number in sentence.citations)
    return f"{sentence.text} {marks or f'({NOT_FOUND})'}"


def _unwritten(report: AnswerReport, notice: str) -> AnswerReport:
    return report.model_copy(update={"notices": (*report.notices, notice)})
