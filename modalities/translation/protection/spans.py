"""Find the spans of a text that a translation copies: addresses, placeholders, code, tags, numbers, glossary terms."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from modalities.translation.protection.amounts import written_amounts
from modalities.translation.protection.dates import written_dates
from modalities.translation.protection.numbers import NUMBER, is_plain_number, localized_number

Glossary = Sequence[tuple[str, str]]
"""Terms with what they are called in the target language; a term that is never translated is its own translation."""

_STOPS = "。，；：！？、（）【】《》「」“”"
_URL = (
    rf"(?:https?|ftp|file|s3|git|ssh)://[^\s<>\"'{_STOPS}]{{1,2000}}|(?:mailto:|tel:|www\.)[^\s<>\"'{_STOPS}]{{1,400}}"
)
_EMAIL = r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
_DOMAIN = (
    r"(?<![\w.@-])(?:[a-zA-Z0-9][\w-]{0,62}\.){1,6}(?:com|org|net|io|dev|edu|gov|info|app|eu|uk|de|fr|es|cn|at|ch)"
    r"(?:/[\w./?=&%#+-]{0,400}[\w/])?(?![\w-])"
)
_BRACES = r"\{(?:[^{}\n]|\{(?:[^{}\n]|\{[^{}\n]{0,200}\}){0,200}\}){0,400}\}"
_PLACEHOLDER = (
    rf"[$#%]?{_BRACES}"
    r"|(?<!\d)%(?:\(\w{1,40}\)|\d{1,2}\$)?[-+#0]{0,3}\d{0,3}(?:\.\d{1,2})?l{0,2}[sdifuxXcgeErp@](?![a-zA-Z])"
    r"|%%?\w{1,40}%%?(?!\w)|\$[A-Za-z_]\w{0,40}\$?|\$\d(?![\d.,]*\d)|(?<![\w:/]):[a-z_]\w{0,40}:?(?!\w)"
    r"|\[\[[^\[\]\n]{1,100}\]\]|__\w{1,40}__"
)
_CODE = r"```[^`\n]{1,400}```|``[^`\n]{1,400}``|`[^`\n]{1,400}`"
_TAG = r"</?[a-zA-Z][^<>\n]{0,400}>|&(?:[a-zA-Z]{2,10}|#\d{1,6}|#x[0-9a-fA-F]{1,6});"
_IDENTIFIER = (
    r"(?<![\w-])--[a-z][\w-]{1,40}|\b[A-Za-z]\w{0,60}\(\)"
    r"|(?<!\w)(?=\w{1,60}_)[A-Za-z0-9]{1,40}(?:_[A-Za-z0-9]{1,40}){1,6}(?!\w)"
    r"|\b[a-z]{1,20}(?:[A-Z][a-z]{1,20}){1,4}\b|(?<![\w/.])(?:~|\.{1,2})?(?:/[\w.-]{1,60}){2,12}/?|\b[A-Z]:\\[^\s\"<>|]{1,200}"
    r"|(?<![\w/.-])[\w-]{1,60}\.(?:txt|pdf|docx?|pptx?|xlsx?|odt|csv|json|ya?ml|xml|html?|md|py|js|ts|sh|zip|gz|png|jpe?g|svg|mp[34]|exe|ini|cfg|toml)\b"
    r"|(?<![\w./-])(?=[A-Za-z/-]{0,24}\d)[A-Za-z0-9-]{1,12}(?:/[A-Za-z0-9-]{1,12}){1,3}(?![\w/])"  # ES6/ES7, 2011/83/EU
    r"|(?<![\w+])[A-Za-z]{1,8}(?:\+[A-Za-z0-9]{1,8}){1,3}(?![\w+])"  # Ctrl+C
    r"|(?<![\w.])\d{1,4}[a-z]{1,12}\d{1,4}(?!\w)"  # 2to3
    r"|(?<!\w)/\^[^\s/]{1,80}/[a-z]{0,3}(?!\w)|(?<![\w.])\.[a-z][a-z0-9]{1,4}(?![\w.])"  # /^a+$/, .mp4
    r"|(?<![A-Za-z0-9_.-])[A-Za-z]{1,20}\d(?!\.\d)[A-Za-z0-9]{0,20}(?![A-Za-z0-9_]|\.\d)"  # IPv4
    r"|(?<![\w.])\d{1,5}[xX×]\d{1,5}(?!\w)"  # 640x480
)
_SOCIAL = r"(?<![\w&/@#])[@#][^\W\d]\w{0,60}"
_PATTERN = re.compile(
    "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in {
            "code": _CODE, "url": _URL, "email": _EMAIL, "placeholder": _PLACEHOLDER, "tag": _TAG, "domain": _DOMAIN,
            "identifier": _IDENTIFIER, "social": _SOCIAL, "number": NUMBER,
        }.items()
    )
)  # fmt: skip
_TRAILING = ".,;:!?)]}*"


Kind = Literal["", "number", "amount", "date", "name"]
"""An `amount` is a number with words, such as 3.5 million; a `date` has its month in words; others have no kind."""


class Protected(NamedTuple):
    """A span that the answer must contain, once, as `copy`. An `easy` one is left to the model at first."""

    start: int
    end: int
    copy: str
    easy: bool = False
    kind: Kind = ""


def protected_spans(text: str, source: str, target: str, glossary: Glossary = ()) -> list[Protected]:
    """List the spans to copy, in order and without overlaps; a glossary's terms take precedence."""
    found = [_protected(match, source, target) for match in _PATTERN.finditer(text)]
    amounts = [Protected(*each, True, "amount") for each in written_amounts(text, source, target)]
    dates = [Protected(*each, True, "date") for each in written_dates(text, source, target)]
    numbers = [span for span in found if span.kind == "number"]
    others = [span for span in found if span.kind != "number"]
    return without_overlaps([*_glossary_spans(text, glossary), *others, *dates, *amounts, *numbers])


def without_overlaps(found: Iterable[Protected]) -> list[Protected]:
    """Drop each span that overlaps an earlier one of the iterable; sort the rest."""
    taken: list[Protected] = []
    ends = bytearray()
    for span in found:
        if len(ends) < span.end:
            ends.extend(bytes(span.end - len(ends)))
        if span.end > span.start and not any(ends[span.start : span.end]):
            ends[span.start : span.end] = b"\x01" * (span.end - span.start)
            taken.append(span)
    return sorted(taken)


def masked(text: str, spans: Iterable[Protected]) -> str:
    """Return the text with a letter in the place of each character of the spans, so that no sentence ends in them."""
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = "X" * (span.end - span.start)
    return "".join(characters)


def replaced(text: str, edits: Sequence[tuple[int, int, str]]) -> tuple[str, Callable[[int], int]]:
    """Replace ranges, which are in order; return the text and a function that maps offsets of before to it."""
    pieces: list[str] = []
    moves: list[tuple[int, int, int, int]] = []
    last = length = 0
    for start, end, new in edits:
        pieces += [text[last:start], new]
        length += start - last
        moves.append((start, end, length, length + len(new)))
        length += len(new)
        last = end
    pieces.append(text[last:])

    def move(offset: int) -> int:
        shift = 0
        for start, end, new_start, new_end in moves:
            if offset <= start:
                break
            if offset < end:
                return min(new_start + offset - start, new_end)
            shift = new_end - end
        return offset + shift

    return "".join(pieces), move


def _protected(match: re.Match[str], source: str, target: str) -> Protected:
    start, end = match.span()
    kind = match.lastgroup
    if kind in ("url", "domain", "identifier"):
        end = start + len(_without_trailing(match[0]))
    text = match.string[start:end]
    if kind == "number":
        return Protected(start, end, localized_number(text, source, target), easy=is_plain_number(text), kind="number")
    return Protected(start, end, text)


def _without_trailing(address: str) -> str:
    """Cut off the punctuation after an address; a bracket that is opened in it belongs to it."""
    while address and address[-1] in _TRAILING:
        if address[-1] == ")" and address.count("(") >= address.count(")"):
            break
        address = address[:-1]
    return address


def _glossary_spans(text: str, glossary: Glossary) -> list[Protected]:
    """Find the terms, the longest first; a term of lower case letters is found at the start of a sentence too."""
    found: list[Protected] = []
    for term, translation in sorted(glossary, key=lambda entry: -len(entry[0])):
        pattern = rf"(?<!\w){re.escape(term)}(?!\w)" if term.isascii() else re.escape(term)
        flags = re.IGNORECASE if term.islower() else 0
        for match in re.finditer(pattern, text, flags):
            capital = match[0][:1].isupper() and term.islower()
            copy = translation[:1].upper() + translation[1:] if capital else translation
            found.append(Protected(*match.span(), match[0] if translation == term else copy))
    return found
