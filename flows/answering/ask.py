"""Answer a question with the sentences of documents, recordings and pictures that answer it, or say "I do not know"."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flows.answering.form import Ask
from flows.answering.intents import with_intent
from flows.answering.passages import KINDS, Passage, Passages, find_passages
from flows.answering.reports import AnswerReport, Citation, Sentence, place_address
from flows.answering.writers import find_writer
from flows.answering.writing import write_answer
from flows.index.query_vectors import EncodeQueries, encode_for_kinds, encode_here
from flows.running.context import RunContext
from media.errors import ItemError
from modalities.answering.evidence import Candidate, probability
from modalities.answering.questions import Question, in_conversation, unknown_sentence
from modalities.answering.sentences import split_sentences
from modalities.answers import Answer
from modalities.embedding.requests import Embedding, EmbedText, Vectors, read_vector
from modalities.scratch import ScratchStore
from storage.index.search_query import VectorQuery
from storage.index.word_query import ParsedQuery

CUT_OFF = 0.18
"""The probability of being an answer that a sentence has at least; measured in benchmarks/asking.py."""
_EMBEDDED = 6
"""Sentences that are embedded: each costs as much as a search."""
_CITED, _NEAR = 3, 3
_ALSO = 0.6
"""A sentence beside the best one is part of the answer if it is so probable in comparison."""
EncodePassages = Callable[[RunContext, str, Sequence[str]], Awaitable[Vectors]]
"""Embed texts as passages with a model; nothing of them is stored in the bucket."""


@dataclass(frozen=True)
class Scored:
    """A sentence of a passage and the probability that it answers."""

    passage: Passage
    candidate: Candidate
    score: float = 0.0


async def answer(context: RunContext, form: Ask) -> AnswerReport:
    """Answer a question with models that are loaded in this process."""
    report = await answer_question(context, form, encode_here, encode_passages_here)
    return await with_intent(context, form.question, report)


async def answer_question(
    context: RunContext, form: Ask, encode: EncodeQueries, encode_passages: EncodePassages
) -> AnswerReport:
    """Answer a question, which may go on with those before it."""
    question = in_conversation(form.question.replace("\0", " "), form.before)
    passages = await find_passages(context, question, tuple(form.labels), encode)
    passages = await _with_own_vector(context, question, passages, encode)
    scored = await rank_sentences(context, question, passages, encode_passages)
    looked = await asyncio.to_thread(context.space.index.looked_through, context.space.project)
    report = report_of(question, scored, looked, passages.notices, form.citations)
    writer = find_writer(context.space, context.space.platform.settings) if form.written else None
    return await write_answer(report, writer) if writer else report


async def rank_sentences(
    context: RunContext, question: Question, passages: Passages, encode_passages: EncodePassages
) -> list[Scored]:
    """Return the sentences that may answer, the most probable first: by words, then the best by their vectors, too."""
    rough = await asyncio.to_thread(_rough, question, passages.found)
    chosen = rough[:_EMBEDDED]
    logits = await _sentence_logits(context, passages.vector, chosen, encode_passages)
    known = [
        replace(each, candidate=replace(each.candidate, sentence_logit=logit))
        for each, logit in zip(chosen, logits, strict=True)
    ]
    return _sorted(replace(each, score=probability(question, each.candidate)) for each in known)


def report_of(
    question: Question, scored: Sequence[Scored], looked: dict[str, int], notices: tuple[str, ...], most: int = _CITED
) -> AnswerReport:
    """Report the answer that the best sentences give, or that there is none."""
    cited = _citations(scored, most)
    best = cited[0].score if cited else 0.0
    known = best >= CUT_OFF
    quote = cited[0].quote if known else ""
    return AnswerReport(
        question=question.whole,
        language=question.language,
        known=known,
        text=f"{quote} [1]" if known else unknown_sentence(question.language, sum(looked.values())),
        sentences=(Sentence(text=quote, citations=(1,)),) if known else (),
        score=best,
        citations=tuple(each for each in cited if each.score >= CUT_OFF * _ALSO) if known else (),
        near=() if known else tuple(cited[:_NEAR]),
        looked_through=looked,
        notices=notices,
    )


async def _with_own_vector(
    context: RunContext, question: Question, passages: Passages, encode: EncodeQueries
) -> Passages:
    """Return the passages with the vector of the question alone: sentences need not be like the question before."""
    if not question.before or not question.words:
        return passages
    own = (await encode_for_kinds(context, ParsedQuery(wanted=question.text), KINDS, encode)).vectors
    return replace(passages, vector=own.get("text") or own.get("speech"))


async def encode_passages_here(context: RunContext, model: str, texts: Sequence[str]) -> Vectors:
    """Embed texts as passages with a model of this process: shape (texts, dimension). Raises ItemError."""

    def encode() -> Vectors:
        requests = [EmbedText(model=model, text=text, role="passage") for text in texts]
        answers, store = context.space.answers.run_unkept(requests)
        return np.stack([_vector(store, each) for each in answers])

    return await asyncio.to_thread(encode)


def _vector(store: ScratchStore, answer: Answer) -> Vectors:
    if isinstance(answer, ItemError):
        raise answer
    assert isinstance(answer, Embedding)
    return read_vector(store, answer)


def _rough(question: Question, passages: Sequence[Passage]) -> list[Scored]:
    """Return every sentence with its probability by words and passages alone, the best first."""
    nearest = max((each.logit for each in passages if each.logit is not None), default=0.0)
    found: list[Scored] = []
    for passage in passages:
        gap = 0.0 if passage.logit is None else nearest - passage.logit
        for sentence in split_sentences(passage.text):
            if sentence.endswith(("?", "？")):  # a question answers none
                continue
            candidate = Candidate(sentence, passage.around, passage.name, passage.logit, gap)
            found.append(Scored(passage, candidate, probability(question, candidate)))
    return _sorted(found)


async def _sentence_logits(
    context: RunContext, vector: VectorQuery | None, chosen: Sequence[Scored], encode_passages: EncodePassages
) -> list[float | None]:
    """Return how near each sentence is to the question, as the search tells it of passages."""
    if vector is None or not chosen:
        return [None] * len(chosen)
    model = vector.space.rpartition("@")[0]
    vectors = await encode_passages(context, model, [each.candidate.sentence for each in chosen])
    cosines = vectors @ np.array(vector.vector, np.float32)
    return [min(slope * float(cosine) + intercept for slope, intercept in vector.lines) for cosine in cosines]


def _citations(scored: Sequence[Scored], most: int) -> list[Citation]:
    """Return the best places, one for each artifact, with their best sentences in the order of the text."""
    by_artifact: dict[str, list[Scored]] = {}
    for each in scored:
        same = by_artifact.setdefault(each.passage.artifact, [])
        if not same or same[0].passage == each.passage:
            same.append(each)
    return [_citation(number, group) for number, group in enumerate(list(by_artifact.values())[:most], 1)]


def _citation(number: int, group: Sequence[Scored]) -> Citation:
    passage, best = group[0].passage, group[0].score
    chosen = [each.candidate.sentence for each in group[:2] if each.score >= best * _ALSO]
    order = split_sentences(passage.text)
    return Citation(
        number=number,
        artifact=passage.artifact,
        name=passage.name,
        kind=passage.kind,
        score=round(best, 4),
        quote=" ".join(sorted(dict.fromkeys(chosen), key=order.index)),
        text=passage.text,
        start_seconds=passage.start_seconds,
        end_seconds=passage.end_seconds,
        place=passage.place,
        address=place_address(passage.artifact, passage.start_seconds, passage.place),
    )


def _sorted(scored: Iterable[Scored]) -> list[Scored]:
    return sorted(scored, key=lambda each: -each.score)
