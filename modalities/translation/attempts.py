"""Translate a sentence: ask, check the answer, ask again another way, and at last say what is doubtful."""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from modalities.translation.checkpoint import ModelInput, Output, Vocabulary
from modalities.translation.drafts import (
    Draft,
    Finished,
    Sentence,
    around_phrase,
    cuts,
    ends_like_a_sentence,
    finish,
    make_draft,
)
from modalities.translation.languages import is_written_without_spaces
from modalities.translation.protection.alignment import Piece, Range, joined, with_spaces
from modalities.translation.protection.checks import (
    CONTENT_DOUBTS,
    LOST_NUMBER,
    content_doubts,
    form_doubts,
    without_copies,
)
from modalities.translation.protection.measures import known_measure
from modalities.translation.protection.phrases import known_phrase
from modalities.translation.protection.spans import Protected, replaced
from modalities.translation.protection.stand_ins import StandIn, Standing, assignments

AnyT = TypeVar("AnyT")
Asking = Generator[list[ModelInput], Mapping[ModelInput, Output], AnyT]
"""A procedure that yields inputs, receives their outputs, and returns its result."""

PLACEHOLDERS = tuple(f"\u27e6{number}\u27e7" for number in range(10))
"""Tokens that stand for protected spans in models that were trained to copy them."""

_FEW_WORDS = 3
_MOST_HYPOTHESES = 6
_IN_PIECES = "It was translated in pieces, so that nothing in it is lost."
ABOUT_CONTENT = (*CONTENT_DOUBTS, _IN_PIECES)
"""The beginnings of the doubts that the check of numbers and names can lead to."""
_UNKNOWN = "The model does not know these words: they are copied."
_AROUND_PIECES = ' \u00a0()[]{}/\\"“”„«»:;,-–—'


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
    stand_ins: tuple[StandIn, ...] = ()
    """Words that the model copies."""
    copies: bool = True
    doubtful_below: float | None = None
    phrases: str = ""
    alternatives: int = 0

    def answer(self, sentence: Sentence, *, is_fragment: bool = False) -> Asking[Answer]:
        """Translate a sentence, so that no protected span is lost."""
        if (known := self._known(sentence)) is not None:
            return known
        best = yield from self._asked(sentence)
        if sentence.spans and (best is None or _lost_number(best)):
            hard = tuple(span._replace(easy=False) for span in sentence.spans)
            return (yield from self._in_pieces(replace(sentence, spans=hard)))
        if best is None:
            return _copied(sentence, ("The model has no answer.",))
        unknown = not is_fragment and self._is_unknown_label(best, sentence)
        return _copied(sentence, (_UNKNOWN,)) if unknown else best

    def _asked(self, sentence: Sentence) -> Asking[Answer | None]:
        """Ask one way after the other, until nothing is wrong; return the best answer."""
        best: Answer | None = None
        for drafts in self._ways(sentence):
            best = yield from self._best(best, drafts)
            if best and (not best.doubts or not (_has_wrong_content(best) or _is_label(sentence))):
                return best
        for drafts in self._other_ways(sentence):
            if best and not _has_wrong_content(best):
                break
            best = yield from self._best(best, drafts)
        return best

    def _best(self, best: Answer | None, drafts: Sequence[Draft]) -> Asking[Answer | None]:
        """Ask drafts; return the answer with the fewest doubts and the highest score, perhaps that of before."""
        outputs = yield [draft.model_input for draft in drafts]
        found = [answer for draft in drafts for answer in self._checked(draft, outputs[draft.model_input])]
        return min([*([best] if best else []), *found], key=lambda a: (len(a.doubts), -a.score), default=None)

    def _known(self, sentence: Sentence) -> Answer | None:
        """Return the answer to a text without words, or of which there is a phrase."""
        if not sentence.has_words():
            return _copied(sentence)
        if self.phrases and all(span.easy for span in sentence.spans):
            phrase = known_phrase(self.phrases, sentence.text, *self.pair) or known_measure(sentence.text, *self.pair)
            if phrase is not None:
                return Answer(phrase, tuple(around_phrase(phrase, sentence, mark) for mark in sentence.marks))
        return _copied(sentence, (_UNKNOWN,)) if sentence.is_unknown else None

    def _ways(self, sentence: Sentence) -> Generator[list[Draft]]:
        """Yield what to ask, one way after the other: with the tokens it knows, and as it is, also with a stop."""
        hard = [span for span in sentence.spans if not span.easy]
        if hard and len(hard) <= len(PLACEHOLDERS) and self.vocabulary.knows(PLACEHOLDERS[0]):
            yield [self._draft(sentence, [(s, p, (p,)) for s, p in zip(hard, PLACEHOLDERS, strict=False)])]
        if not hard or self.copies:
            yield [self._draft(sentence, [(s, sentence.text[s.start : s.end], _own_forms(s, sentence)) for s in hard])]
        if _is_label(sentence):
            yield [self._draft(sentence, [], stop="。" if self.pair[0].startswith("zh") else ".")]

    def _other_ways(self, sentence: Sentence) -> Generator[list[Draft]]:
        """Yield what to ask if something is lost: with more hypotheses, and with stand-ins."""
        hard = [span for span in sentence.spans if not span.easy]
        if hard:
            yield from self._with_stand_ins(sentence, hard)
        else:
            yield [self._draft(sentence, [], hypotheses=_MOST_HYPOTHESES)]
        if len(sentence.spans) > len(hard):
            yield from self._with_stand_ins(sentence, list(sentence.spans))

    def _with_stand_ins(self, sentence: Sentence, spans: list[Protected]) -> Generator[list[Draft]]:
        """Yield drafts with the first stand-ins, then those with the others in other orders and more hypotheses."""
        standing = assignments(sentence.text, spans, self.stand_ins, self.pair)
        if standing:
            yield [self._draft(sentence, standing[0])]
            yield [self._draft(sentence, each, hypotheses=_MOST_HYPOTHESES) for each in standing]

    def _draft(
        self,
        sentence: Sentence,
        standing: Sequence[Standing],
        *,
        stop: str = "",
        hypotheses: int = 1,
    ) -> Draft:
        wanted = max(hypotheses, 1 + self.alternatives)
        return make_draft(sentence, self.vocabulary, self.pair, standing, stop=stop, hypotheses=wanted)

    def _checked(self, draft: Draft, output: Output) -> list[Answer]:
        """Finish the hypotheses of an output; those in which no protected span is lost."""
        pairs = [(each, finish(draft, each, self.vocabulary, self.pair[1])) for each in (output, *output.others)]
        whole = [(each, done) for each, done in pairs if done.text and not done.lost]
        texts = dict.fromkeys(done.text for _, done in whole)
        return [
            Answer(
                text=done.text,
                marks=done.marks,
                doubts=tuple(self._doubts(draft, done, each)),
                others=tuple(text for text in texts if text != done.text)[: self.alternatives],
                score=each.score,
            )
            for each, done in whole
        ]

    def _doubts(self, draft: Draft, done: Finished, output: Output) -> Generator[str]:
        """Say what may be wrong with an answer."""
        sentence = draft.sentence
        asked = {span for span, _ in draft.standing}
        left = [s for s in sentence.spans if s.easy and s.kind in ("amount", "date", "name") and s not in asked]
        numbers, words = sentence.with_easy_numbers(), sentence.without_written_numbers()
        answer = without_copies(done.text, [span for span in sentence.spans if not span.easy or span in asked])
        yield from content_doubts(sentence.text, numbers, words, answer, self.pair, names=self.stand_ins, written=left)
        yield from form_doubts(
            sentence.text, sentence.without_spans(), answer, sentence.words(), is_complete=output.is_complete
        )
        if self.doubtful_below is not None and output.score < self.doubtful_below:
            yield "The model is not sure."

    def _is_unknown_label(self, best: Answer, sentence: Sentence) -> bool:
        """Whether these are a few words, such as a name, that the model cannot translate."""
        is_short = sentence.words() <= _FEW_WORDS and not sentence.spans
        has_stop = ends_like_a_sentence(sentence.text)
        return bool(best.doubts) and is_short and (sentence.words() <= 1 or not has_stop)

    def _in_pieces(self, sentence: Sentence) -> Asking[Answer]:
        """Cut a sentence in which spans were lost at a clause between them, else around one of them."""
        hard = [span for span in sentence.spans if not span.easy] or list(sentence.spans)
        starts = [0, *cuts(sentence, hard)]
        ends = [*starts[1:], len(sentence.text)]
        parts = [sentence.part(start, end) for start, end in zip(starts, ends, strict=True)]
        answers = yield from together([self._piece(part) for part in parts])
        pieces = [
            Piece(
                start, start + len(part.text), self._lowered(said.text, part.text) if start else said.text, said.marks
            )
            for start, part, said in zip(starts, parts, answers, strict=True)
        ]
        if not is_written_without_spaces(self.pair[1]):
            pieces = with_spaces(pieces)
        text, marks = joined(sentence.marks, pieces)
        doubts = dict.fromkeys(doubt for said in answers for doubt in said.doubts)
        return Answer(text, marks, (*doubts, _IN_PIECES), score=min(said.score for said in answers))

    def _piece(self, part: Sentence) -> Asking[Answer]:
        """Translate a piece of a sentence without the spaces around it."""
        bare = len(part.text) - len(part.text.lstrip(_AROUND_PIECES))
        start = min([bare, *(span.start for span in part.spans)])
        end = max([len(part.text.rstrip(_AROUND_PIECES)), start, *(span.end for span in part.spans)])
        inner = part.part(start, end)
        said = (yield from self.answer(inner, is_fragment=True)) if inner.text else Answer("", part.marks)
        moved = tuple((m[0] + start, m[1] + start) if m else None for m in said.marks)
        return Answer(part.text[:start] + said.text + part.text[end:], moved, said.doubts, score=said.score)

    def _lowered(self, said: str, original: str) -> str:
        """Take back the capital of a piece inside a sentence, if its first word is written without one."""
        first = re.search(r"[^\W\d_]+", said)
        begins_low = next((not c.isupper() for c in original if c.isalpha()), False)
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


def _is_label(sentence: Sentence) -> bool:
    """Whether it is no sentence in full, which the model may know better with a stop."""
    return all(span.easy for span in sentence.spans) and not ends_like_a_sentence(sentence.text)


def _lost_number(answer: Answer) -> bool:
    return any(doubt.startswith(LOST_NUMBER) for doubt in answer.doubts)


def _has_wrong_content(answer: Answer) -> bool:
    return any(doubt.startswith(ABOUT_CONTENT) for doubt in answer.doubts)


def _own_forms(span: Protected, sentence: Sentence) -> tuple[str, ...]:
    return tuple({sentence.text[span.start : span.end], span.copy})
