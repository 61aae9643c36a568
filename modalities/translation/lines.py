"""Translate a line: split it into sentences, protect what must be copied, and join the answers with their marks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from modalities.translation.attempts import Answer, Asker, Asking, together
from modalities.translation.checkpoint import Vocabulary
from modalities.translation.drafts import Sentence
from modalities.translation.languages import is_written_without_spaces
from modalities.translation.protection.alignment import Piece, Range, joined, nested
from modalities.translation.protection.dates import is_day_or_month
from modalities.translation.protection.spans import Protected, masked, protected_spans, without_overlaps
from modalities.translation.requests import Mark, MarkedLine, Translate
from modalities.translation.scripts import in_script_of
from modalities.translation.sentences import split_line, split_to_fit, symbols

_WORD = re.compile(r"[^\W_]+")
_MASK = re.compile("X{2,}")
_SPACE = " "
_FEWEST_PIECES = 3
_MOST_NAME_WORDS = 3


@dataclass(frozen=True)
class TranslatedLine:
    """A translated line, its marks in their order, its other translations, and why it may be wrong."""

    text: str
    marks: tuple[Mark, ...]
    doubts: tuple[str, ...]
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """A part of a line: a sentence to translate, or a copied text."""

    start: int
    end: int
    sentence: Sentence | None


def translate_line(asker: Asker, line: MarkedLine, request: Translate, longest: int) -> Asking[TranslatedLine]:
    """Translate a line; `longest` is the number of tokens from which on a sentence is split."""
    parts = _parts(asker, line, request, longest)
    sentences = [part.sentence for part in parts if part.sentence]
    answers = yield from together([asker.answer(sentence) for sentence in sentences])
    pieces, others = _pieces(line, parts, answers, request.target)
    ranges = tuple((mark.start, mark.end) for mark in line.marks)
    text, found = joined(ranges, pieces)
    shown = in_script_of(text, request.target)
    if len(shown) != len(text):
        moved = {end: len(in_script_of(text[:end], request.target)) for each in found if each for end in each}
        found = tuple((moved[each[0]], moved[each[1]]) if each else None for each in found)
    alternatives = ("".join(each) for each in others)
    return TranslatedLine(
        text=shown,
        marks=_marks(line.marks, found, len(shown)),
        doubts=tuple(dict.fromkeys(doubt for answer in answers for doubt in answer.doubts)),
        alternatives=tuple(
            dict.fromkeys(said for said in (in_script_of(a, request.target) for a in alternatives) if said != shown)
        )[: request.alternatives],
    )


def _parts(asker: Asker, line: MarkedLine, request: Translate, longest: int) -> list[_Part]:
    """Split a line into sentences that fit the model, and what is copied around them."""
    kept = [Protected(m.start, m.end, line.text[m.start : m.end]) for m in line.marks if m.kept]
    found = protected_spans(line.text, request.source, request.target, request.glossary)
    spans = without_overlaps([*kept, *found])
    hidden = masked(line.text, [span for span in spans if not span.easy])
    parts: list[_Part] = []
    at = 0
    for span in split_line(hidden):
        texts = [span] if span.copied else split_to_fit(span.text, lambda text: _count(asker.vocabulary, text), longest)
        for text, is_copied in texts:
            end = at + len(text)
            sentence = None if is_copied else _sentence(asker, line, spans, at, end)
            parts.append(_Part(at, end, sentence))
            at = end
    return parts


def _sentence(asker: Asker, line: MarkedLine, spans: Sequence[Protected], start: int, end: int) -> Sentence:
    """Return a part of a line as a sentence; words that the vocabulary lacks, and unusual names, are spans to copy."""
    vocabulary = asker.vocabulary
    whole = Sentence(line.text, tuple(spans), tuple((mark.start, mark.end) for mark in line.marks))
    sentence = whole.part(start, end)
    pieces = vocabulary.tokenize(sentence.without_spans())
    unknown = sum(map(vocabulary.is_unknown, pieces))
    if unknown * 2 >= len(pieces):
        return replace(sentence, is_unknown=sentence.has_words())
    if not asker.copies and not asker.pair[0].startswith(("de", "zh")):
        names = _unusual_names(vocabulary, sentence.text)
        is_name = bool(names) and _is_title(sentence.text) and sentence.words() <= _MOST_NAME_WORDS
        spans = tuple(without_overlaps([*sentence.spans, *names]))
        sentence = replace(sentence, spans=spans, is_unknown=is_name)
    if not unknown:
        return sentence
    words = [*symbols(sentence.text), *_WORD.findall(sentence.text)]
    lacking = {word for word in words if vocabulary.is_unknown_word(word)}
    places = [m for word in lacking for m in re.finditer(re.escape(word), sentence.text)]
    added = [Protected(match.start(), match.end(), match[0]) for match in places]
    return Sentence(sentence.text, tuple(without_overlaps([*sentence.spans, *added])), sentence.marks)


def _unusual_names(vocabulary: Vocabulary, text: str) -> list[Protected]:
    """List the words with a capital inside a sentence, or in a title, of which the vocabulary has but small pieces."""
    is_title = _is_title(text)
    return [
        Protected(*word.span(), word[0], easy=True, kind="name")
        for number, word in enumerate(_WORD.finditer(text))
        if (number or is_title)
        and word[0].istitle()
        and len(vocabulary.tokenize(word[0])) >= _FEWEST_PIECES
        and not is_day_or_month(word[0])
    ]


def _is_title(text: str) -> bool:
    """Whether every word of several has a capital, without a stop, as in a person's name."""
    words = text.split()
    return len(words) > 1 and all(word[:1].isupper() for word in words) and text[-1].isalnum() and not text.isupper()


def _pieces(
    line: MarkedLine, parts: Sequence[_Part], answers: Sequence[Answer], target: str
) -> tuple[list[Piece], list[list[str]]]:
    """Pair parts with their answers, with spaces between sentences if the target language has them.

    Also return the texts of the line with the first, second, … alternative of each sentence that has one.
    """
    has_no_spaces = is_written_without_spaces(target)
    rest = iter(answers)
    pieces: list[Piece] = []
    others: list[list[str]] = [[] for _ in range(max((len(answer.others) for answer in answers), default=0))]
    for number, part in enumerate(parts):
        is_after_words = number > 0 and parts[number - 1].sentence is not None
        is_before_words = number + 1 < len(parts) and parts[number + 1].sentence is not None
        original = line.text[part.start : part.end]
        ranges = tuple((mark.start, mark.end) for mark in line.marks)
        if part.sentence is None:
            is_gap = has_no_spaces and original == _SPACE and is_after_words and is_before_words
            moved: tuple[Range | None, ...] = tuple(_clipped(each, part) for each in ranges)
            answer = Answer("", ()) if is_gap else Answer(original, moved)
        else:
            answer = next(rest)
            if is_after_words and not has_no_spaces:
                pieces.append(Piece(part.start, part.start, _SPACE))
                for texts in others:
                    texts.append(_SPACE)
        pieces.append(Piece(part.start, part.end, answer.text, answer.marks))
        for rank, texts in enumerate(others):
            texts.append(answer.others[rank] if rank < len(answer.others) else answer.text)
    return pieces, others


def _marks(marks: Sequence[Mark], found: Sequence[Range | None], length: int) -> tuple[Mark, ...]:
    """Return the marks at their new places; one that nothing placed follows the mark before it, and is empty."""
    before = [(mark.start, mark.end) for mark in marks]
    last = 0
    placed: list[Range] = []
    for each in found:
        last = each[1] if each else last
        placed.append(each or (min(last, length), min(last, length)))
    return tuple(
        Mark(start=start, end=end, kept=mark.kept)
        for mark, (start, end) in zip(marks, nested(before, placed), strict=True)
    )


def _clipped(mark: Range, part: _Part) -> Range:
    start, end = (min(max(at, part.start), part.end) - part.start for at in mark)
    return start, end


def _count(vocabulary: Vocabulary, text: str) -> int:
    return len(vocabulary.tokenize(_MASK.sub("X", text)))
