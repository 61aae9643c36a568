"""Translate a sentence: ask, check the answer, ask again another way, and at last say what is doubtful."""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TypeVar

from modalities.translation.checkpoint import ModelInput, Output, Vocabulary
from modalities.translation.drafts import (
    Draft,
    Finished,
    Piece,
    Sentence,
    around_phrase,
    ends_like_a_sentence,
    finish,
    joined,
    make_draft,
)
from modalities.translation.protection.alignment import Range
from modalities.translation.protection.measures import known_measure
from modalities.translation.protection.numbers import missing_numbers
from modalities.translation.protection.phrases import known_phrase
from modalities.translation.protection.spans import Protected, replaced

AnyT = TypeVar("AnyT")
Asking = Generator[list[ModelInput], Mapping[ModelInput, Output], AnyT]
"""A procedure that yields inputs, receives their outputs, and returns its result."""

PLACEHOLDERS = tuple(f"\u27e6{number}\u27e7" for number in range(10))
"""Tokens that stand for protected spans in models that were trained to copy them."""

_FEW_WORDS = 3
_LOST_NUMBER = "Numbers are missing"
_IN_PIECES = "It was translated in pieces, so that nothing in it is lost."
ABOUT_NUMBERS = (_LOST_NUMBER, _IN_PIECES)
"""The beginnings of the doubts that the check of numbers can lead to."""
_UNKNOWN = "The model does not know these words: they are copied."
_CLAUSE = re.compile(r"[,;:–—]\s+|\s+(?=\()|[，、；：]\s*")
_REPEATED = re.compile(r"\b(\w+)(?:\W+\1\b){2,}")
_MOST_DRAFTS = 6


@dataclass(frozen=True)
class Answer:
    """The translation of a sentence; a mark is None where nothing tells its place."""

    text: str
    marks: tuple[Range | None, ...]
    doubts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True)
class Asker:
    """What a model is asked with: its vocabulary, and how spans are protected (see TranslatorOptions)."""

    vocabulary: Vocabulary
    pair: tuple[str, str]
    """The languages as the vocabulary names them."""
    stand_ins: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Words that the model copies, each with its forms in the output."""
    copies: bool = True
    doubtful_below: float | None = None
    phrases: str = ""
    alternatives: int = 0

    def answer(self, sentence: Sentence, *, is_fragment: bool = False) -> Asking[Answer]:
        """Translate a sentence, so that no protected span is lost."""
        if (known := self._known(sentence)) is not None:
            return known
        best: Answer | None = None
        for drafts in self._ways(sentence):
            if best is not None and not self._is_worth_asking(best, sentence):
                break
            outputs = yield [draft.model_input for draft in drafts]
            found = [self._checked(draft, outputs[draft.model_input]) for draft in drafts]
            best = min([a for a in (best, *found) if a], key=lambda a: (len(a.doubts), -a.score), default=None)
            if best is not None and not best.doubts:
                return best
        if best is not None and not _lost_number(best):
            unknown = not is_fragment and self._is_unknown_label(best, sentence)
            return _copied(sentence, (_UNKNOWN,)) if unknown else best
        if not sentence.spans:
            return _copied(sentence, ("The model has no answer.",))
        hard = tuple(span._replace(easy=False) for span in sentence.spans)
        return (yield from self._in_pieces(replace(sentence, spans=hard)))

    def _known(self, sentence: Sentence) -> Answer | None:
        """Return the answer to a text without words, or of which there is a phrase."""
        if sentence.is_unknown:
            return _copied(sentence, (_UNKNOWN,))
        if not sentence.has_words():
            return _copied(sentence)
        if self.phrases and all(span.easy for span in sentence.spans):
            phrase = known_phrase(self.phrases, sentence.text, *self.pair) or known_measure(sentence.text, *self.pair)
            if phrase is not None:
                return Answer(phrase, tuple(around_phrase(phrase, sentence, mark) for mark in sentence.marks))
        return None

    def _ways(self, sentence: Sentence) -> Generator[list[Draft]]:
        """Yield what to ask, one way after the other: with the tokens it knows, as it is, and with stand-ins."""
        hard = [span for span in sentence.spans if not span.easy]
        all_spans = list(sentence.spans)
        if hard and len(hard) <= len(PLACEHOLDERS) and self.vocabulary.knows(PLACEHOLDERS[0]):
            yield [self._draft(sentence, [(s, p, (p,)) for s, p in zip(hard, PLACEHOLDERS, strict=False)])]
        if not hard or self.copies:
            yield [self._draft(sentence, [(s, sentence.text[s.start : s.end], _own_forms(s, sentence)) for s in hard])]
        if not hard and not ends_like_a_sentence(sentence.text):
            yield [self._draft(sentence, [], stop="。" if self.pair[0].startswith("zh") else ".")]
        if hard:
            yield from self._with_stand_ins(sentence, hard)
        if all_spans != hard:
            yield from self._with_stand_ins(sentence, all_spans)

    def _with_stand_ins(self, sentence: Sentence, spans: list[Protected]) -> Generator[list[Draft]]:
        """Yield drafts with the first stand-ins, then those with the others in other orders."""
        free = [each for each in self.stand_ins if each[0] not in sentence.text]
        orders = list(permutations(free, len(spans)))[:_MOST_DRAFTS] if len(spans) <= len(free) else []
        drafts = [self._draft(sentence, [(s, w, f) for s, (w, f) in zip(spans, o, strict=True)]) for o in orders]
        yield from (part for part in (drafts[:1], drafts[1:]) if part)

    def _draft(
        self, sentence: Sentence, standing: Sequence[tuple[Protected, str, tuple[str, ...]]], stop: str = ""
    ) -> Draft:
        return make_draft(sentence, self.vocabulary, self.pair, standing, stop=stop, hypotheses=1 + self.alternatives)

    def _checked(self, draft: Draft, output: Output) -> Answer | None:
        """Finish an output; None if a protected span is lost."""
        done = finish(draft, output, self.vocabulary, self.pair[1])
        if done.lost or not done.text:
            return None
        others = [finish(draft, output, self.vocabulary, self.pair[1], text) for text in output.others]
        return Answer(
            text=done.text,
            marks=done.marks,
            doubts=tuple(self._doubts(draft.sentence, done, output)),
            others=tuple(dict.fromkeys(other.text for other in others if not other.lost and other.text != done.text)),
            score=output.score,
        )

    def _doubts(self, sentence: Sentence, done: Finished, output: Output) -> Generator[str]:
        """Say what may be wrong with an answer."""
        if missing := missing_numbers(sentence.with_easy_numbers(), done.text, self.pair[1]):
            yield f"{_LOST_NUMBER}: {', '.join(missing)}."
        words = sentence.without_spans()
        if not output.is_complete or len(done.text) > 4 * len(sentence.text) + 40:
            yield "The answer runs on."
        if any(word[1].lower() not in words.lower() for word in _REPEATED.finditer(done.text)):
            yield "The answer repeats itself."
        if sentence.words() > _FEW_WORDS and done.text.strip().lower() == sentence.text.strip().lower():
            yield "The answer is a copy."
        if self.doubtful_below is not None and output.score < self.doubtful_below:
            yield "The model is not sure."

    def _is_worth_asking(self, best: Answer, sentence: Sentence) -> bool:
        """Whether another way may help: not a sentence in full that the model is merely not sure of."""
        is_label = not any(not s.easy for s in sentence.spans) and not ends_like_a_sentence(sentence.text)
        return _lost_number(best) or is_label

    def _is_unknown_label(self, best: Answer, sentence: Sentence) -> bool:
        """Whether these are a few words, such as a name, that the model cannot translate."""
        is_short = sentence.words() <= _FEW_WORDS and not sentence.spans
        has_stop = ends_like_a_sentence(sentence.text)
        return bool(best.doubts) and is_short and (sentence.words() <= 1 or not has_stop)

    def _in_pieces(self, sentence: Sentence) -> Asking[Answer]:
        """Cut a sentence in which spans were lost at a clause between them, else around one of them."""
        hard = [span for span in sentence.spans if not span.easy] or list(sentence.spans)
        cuts = _cuts(sentence, hard)
        parts = [sentence.part(start, end) for start, end in zip([0, *cuts], [*cuts, len(sentence.text)], strict=True)]
        answers = yield from together([self._piece(part) for part in parts])
        starts = [0, *cuts]
        pieces = [
            Piece(
                start, start + len(part.text), self._lowered(said.text, part.text) if start else said.text, said.marks
            )
            for start, part, said in zip(starts, parts, answers, strict=True)
        ]
        text, marks = joined(sentence.marks, pieces)
        doubts = dict.fromkeys(doubt for said in answers for doubt in said.doubts)
        return Answer(text, marks, (*doubts, _IN_PIECES), score=min(said.score for said in answers))

    def _piece(self, part: Sentence) -> Asking[Answer]:
        """Translate a piece of a sentence without the spaces around it."""
        start = len(part.text) - len(part.text.lstrip(" (\u00a0"))
        end = max(len(part.text.rstrip(" )\u00a0")), start)
        inner = part.part(start, end)
        said = (yield from self.answer(inner, is_fragment=True)) if inner.text else Answer("", part.marks)
        moved = tuple((m[0] + start, m[1] + start) if m else None for m in said.marks)
        return Answer(part.text[:start] + said.text + part.text[end:], moved, said.doubts, score=said.score)

    def _lowered(self, said: str, original: str) -> str:
        """Take back the capital of a piece inside a sentence, if its first word is written without one."""
        first = re.search(r"[^\W\d_]+", said)
        begins_low = next((c.islower() for c in original if c.isalpha()), False)
        if not first or not begins_low or not self.vocabulary.knows(f"▁{first[0].lower()}"):
            return said
        return said[: first.start()] + first[0].lower() + said[first.end() :]


def together(askings: Sequence[Asking[AnyT]]) -> Asking[list[AnyT]]:
    """Run procedures side by side, so that a model gets what they all ask in one batch."""
    results: dict[int, AnyT] = {}
    asked: dict[int, list[ModelInput]] = {}

    def advance(number: int, outputs: Mapping[ModelInput, Output] | None) -> None:
        try:
            asked[number] = askings[number].send(outputs)  # pyright: ignore[reportArgumentType]
        except StopIteration as stop:
            asked.pop(number, None)
            results[number] = stop.value

    for number in range(len(askings)):
        advance(number, None)
    while asked:
        outputs = yield [each for inputs in asked.values() for each in inputs]
        for number in list(asked):
            advance(number, outputs)
    return [results[number] for number in range(len(askings))]


def _copied(sentence: Sentence, doubts: tuple[str, ...] = ()) -> Answer:
    text, move = replaced(sentence.text, [(span.start, span.end, span.copy) for span in sentence.spans])
    return Answer(text, tuple((move(start), move(end)) for start, end in sentence.marks), doubts)


def _lost_number(answer: Answer) -> bool:
    return any(doubt.startswith(_LOST_NUMBER) for doubt in answer.doubts)


def _own_forms(span: Protected, sentence: Sentence) -> tuple[str, ...]:
    return tuple({sentence.text[span.start : span.end], span.copy})


def _cuts(sentence: Sentence, hard: list[Protected]) -> list[int]:
    """Return where to cut: at the clause that parts the spans most evenly, else before and after the middle span."""
    best: tuple[int, int] | None = None
    for match in _CLAUSE.finditer(sentence.text):
        before = sum(span.end <= match.end() for span in hard)
        inside = any(span.start < match.end() < span.end for span in hard)
        if 0 < before < len(hard) and not inside:
            best = min(best or (len(hard), 0), (abs(2 * before - len(hard)), match.end()))
    if best:
        return [best[1]]
    middle = hard[len(hard) // 2]
    return [cut for cut in (middle.start, middle.end) if 0 < cut < len(sentence.text)]
