"""What a model is asked about a sentence, and what its output means: stand-ins, capitals and marks are put back."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modalities.translation.checkpoint import ModelInput, Output, Vocabulary
from modalities.translation.protection.alignment import Range, aligned_range, token_ranges
from modalities.translation.protection.letter_case import Case, as_sentence, letter_case, with_case
from modalities.translation.protection.number_words import number_word
from modalities.translation.protection.numbers import is_plain_number
from modalities.translation.protection.spans import Protected, replaced

_STOPS = ".!?…。！？"
_FINAL_STOP = re.compile(r"\s*[.。…]+(?=[\"'”’»）)]*$)")
_CLAUSE = re.compile(r"[,;:–—]\s+|\s+(?=\()|[，、；：]\s*")
_ENDING = re.compile(rf"[{_STOPS}:：][\"'”’»「」）)]*$")


@dataclass(frozen=True)
class Sentence:
    """A sentence with the spans to copy, and the ranges of its marks; an empty range is a position, as of a tab."""

    text: str
    spans: tuple[Protected, ...] = ()
    marks: tuple[Range, ...] = ()
    is_unknown: bool = False
    """Whether the vocabulary lacks most of it."""

    def without_spans(self) -> str:
        """Return the text that is not copied as it is."""
        return replaced(self.text, [(span.start, span.end, " ") for span in self.spans if not span.easy])[0]

    def with_easy_numbers(self) -> str:
        """Return the text without the digits that the model is not asked to translate: in other spans, and in words."""
        easy = {number for span in self.spans if span.easy for number in range(span.start, span.end)}
        return "".join(" " if c.isdigit() and number not in easy else c for number, c in enumerate(self.text))

    def without_written_numbers(self) -> str:
        """Return the text without spans, except numbers in digits that the model is asked to translate."""
        hidden = [s for s in self.spans if not s.easy or s.kind in ("amount", "date", "name")]
        return replaced(self.text, [(span.start, span.end, " ") for span in hidden])[0]

    def has_words(self) -> bool:
        """Whether there is a letter outside the copied spans."""
        return any(character.isalpha() for character in self.without_spans())

    def words(self) -> int:
        """Return the number of words; two Chinese characters count as one."""
        text = self.without_spans()
        return len(re.findall(r"[^\W\u2e80-\u9fff]+", text)) + len(re.findall(r"[\u2e80-\u9fff]", text)) // 2

    def part(self, start: int, end: int) -> "Sentence":
        """Return the sentence of some of its characters."""
        spans = (s for s in self.spans if s.start >= start and s.end <= end)
        return Sentence(
            text=self.text[start:end],
            spans=tuple(s._replace(start=s.start - start, end=s.end - start) for s in spans),
            marks=tuple((min(max(a, start), end) - start, min(max(b, start), end) - start) for a, b in self.marks),
        )


@dataclass(frozen=True)
class Draft:
    """A sentence as the model is asked it. Each stand-in has the forms that it may take in the output."""

    sentence: Sentence
    text: str
    model_input: ModelInput
    case: Case
    standing: tuple[tuple[Protected, tuple[str, ...]], ...]
    move: Callable[[int], int] = field(repr=False)


@dataclass(frozen=True)
class Finished:
    """The translation of a draft: its text, the ranges of the marks (None: not found), and which spans are lost."""

    text: str
    marks: tuple[Range | None, ...]
    lost: tuple[str, ...]


def make_draft(
    sentence: Sentence,
    vocabulary: Vocabulary,
    pair: tuple[str, str],
    standing: Sequence[tuple[Protected, str, tuple[str, ...]]],
    *,
    stop: str = "",
    hypotheses: int = 1,
) -> Draft:
    """Put stand-ins (span, text, forms in the output) into a sentence, in sentence case, perhaps with a stop."""
    case = letter_case(sentence.without_spans(), pair[0])
    text = sentence.text
    if case != "as-is" or (stop and text[:1].islower()):
        lowered = as_sentence(text, pair[0]) if case != "as-is" else text[:1].upper() + text[1:]
        text = lowered if len(lowered) == len(text) else text
    text, _ = replaced(text, [(s.start, s.end, sentence.text[s.start : s.end]) for s in sentence.spans])
    text, move = replaced(text, [(span.start, span.end, new) for span, new, _ in standing])
    text += stop
    given = vocabulary.model_input(vocabulary.tokenize(text), *pair)
    asked = ModelInput(given.tokens, given.prefix, is_aligned=bool(sentence.marks), hypotheses=hypotheses)
    return Draft(sentence, text, asked, case, tuple((span, forms) for span, _, forms in standing), move)


def finish(draft: Draft, output: Output, vocabulary: Vocabulary, target: str) -> Finished:
    """Put the originals, the capitals and the marks into an output."""
    said = _without_added_stop(output.text, draft.sentence.text)
    places, lost = _places(draft, said)
    edits = [(start, end, span.copy) for (start, end), span in places]
    answer, move = replaced(with_case(said, draft.case, target), edits)
    copies = [((move(start), move(start) + len(span.copy)), span) for (start, _), span in places]
    marks = [
        _same_signs(draft.sentence, mark, answer, target)
        or _same_kind(draft.sentence, mark, answer, _mark(draft, output, said, vocabulary, mark, copies, move))
        for mark in (() if lost else draft.sentence.marks)
    ]
    whole = (0, len(answer))
    covering = _words_of(draft.sentence.text)
    for number, mark in enumerate(draft.sentence.marks if marks else ()):
        if mark[0] <= covering[0] and mark[1] >= covering[1] and mark[0] < mark[1]:
            marks[number] = whole
    return Finished(answer, tuple(marks), tuple(lost))


def cuts(sentence: Sentence, hard: list[Protected]) -> list[int]:
    """Return where to cut a sentence in which spans are lost.

    That is at the clause that parts the spans most evenly, else before and after the middle span.
    """
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


def around_phrase(phrase: str, sentence: Sentence, mark: Range) -> Range:
    """Return where a mark is in the phrase for a sentence: around it; if it has no words, at its signs or beside it."""
    start, end = mark
    if any(map(str.isalpha, sentence.text[start:end])):
        return 0, len(phrase)
    return _same_signs(sentence, mark, phrase) or ((0, 0) if start == 0 else (len(phrase), len(phrase)))


def ends_like_a_sentence(text: str) -> bool:
    """Whether a text ends with a full stop or its like."""
    return _ENDING.search(text.rstrip()) is not None


def _places(draft: Draft, said: str) -> tuple[list[tuple[Range, Protected]], list[str]]:
    """Find each stand-in in an output, where it must be exactly once; list the spans whose stand-in is not."""
    places: list[tuple[Range, Protected]] = []
    lost: list[str] = []
    for span, forms in draft.standing:
        pattern = "|".join(rf"(?<![^\W_]){re.escape(f)}(?![^\W_])" if f.isascii() else re.escape(f) for f in forms)
        found = [match.span() for match in re.finditer(pattern, said)]
        if len(found) == 1:
            places.append((found[0], span))
        else:
            lost.append(span.copy)
    places.sort()
    overlaps = any(one[0][1] > other[0][0] for one, other in itertools.pairwise(places))
    return ([], [span.copy for span, _ in draft.standing]) if overlaps else (places, lost)


def _same_signs(sentence: Sentence, mark: Range, answer: str, target: str = "") -> Range | None:
    """Return where the signs of a mark without letters are in the answer, a number also in words; None if not once."""
    signs = sentence.text[slice(*mark)].strip()
    if not signs or any(map(str.isalpha, signs)):
        return None
    words = number_word(int(signs), target) if is_plain_number(signs) else ""
    for pattern in (rf"(?<!\d){re.escape(signs)}(?!\d)", words):
        found = [match.span() for match in re.finditer(pattern, answer, re.IGNORECASE)] if pattern else []
        if len(found) == 1:
            return found[0]
    return None


def _same_kind(sentence: Sentence, mark: Range, answer: str, found: Range | None) -> Range | None:
    """Return what attention found for a mark, unless that is words and the mark holds but punctuation."""
    signs = sentence.text[slice(*mark)]
    is_punctuation = bool(signs.strip()) and not any(map(str.isalnum, signs))
    is_words = found is not None and any(map(str.isalnum, answer[slice(*found)]))
    return None if is_punctuation and is_words else found


def _mark(
    draft: Draft,
    output: Output,
    said: str,
    vocabulary: Vocabulary,
    mark: Range,
    copies: Sequence[tuple[Range, Protected]],
    move: Callable[[int], int],
) -> Range | None:
    """Return where a mark is in the answer: around the copies that it held, and the words that its words became."""
    found = [place for place, span in copies if mark[0] <= span.start and span.end <= mark[1]]
    wanted = (draft.move(mark[0]), draft.move(mark[1]))
    is_place = wanted[0] == wanted[1]
    follows = is_place and _follows_a_word(draft.text, wanted[0])
    if is_place:
        wanted = _word_before(draft.text, wanted[0]) if follows else _word_at(draft.text, wanted[0])
    only_copies = bool(found) and not _has_words_outside(draft, mark)
    if output.attention and not only_copies:
        sources = token_ranges(draft.text, vocabulary.shown(draft.model_input.tokens))
        targets = token_ranges(said, vocabulary.shown(output.tokens))
        if aligned := aligned_range(wanted, sources, targets, output.attention, said):
            found.append((move(aligned[0]), move(aligned[1])))
    if not found:
        return None
    start, end = min(start for start, _ in found), max(end for _, end in found)
    if is_place:
        return (end, end) if follows else (start, start)
    return start, end


def _has_words_outside(draft: Draft, mark: Range) -> bool:
    part = draft.sentence.part(*mark)
    return any(c.isalnum() for c in replaced(part.text, [(s.start, s.end, "") for s in part.spans])[0])


def _word_at(text: str, offset: int) -> Range:
    found = re.compile(r"\w+").search(text, offset)
    return found.span() if found else (offset, offset)


def _follows_a_word(text: str, offset: int) -> bool:
    """Whether a place is right after a word, such as that of a footnote, and not before another one."""
    return offset > 0 and text[offset - 1].isalnum() and not text[offset : offset + 1].isalnum()


def _word_before(text: str, offset: int) -> Range:
    words = [found.span() for found in re.finditer(r"\w+", text[:offset])]
    return words[-1] if words else (offset, offset)


def _words_of(text: str) -> Range:
    """The range from the first letter or digit of a text to its last."""
    places = [number for number, character in enumerate(text) if character.isalnum()]
    return (places[0], places[-1] + 1) if places else (0, len(text))


def _without_added_stop(answer: str, original: str) -> str:
    """Remove a full stop that the original does not have."""
    return answer if ends_like_a_sentence(original) else _FINAL_STOP.sub("", answer)
