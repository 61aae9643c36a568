"""Personal data in texts: e-mail addresses, telephone and card numbers, and names after words that announce them.

The rules are made to report before a training, and to mask. They find what has a form; a name without a word such as
`Mr` or `my name is` before it is not found.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from training.datasets.manifest import Item

PersonalKind = Literal["e-mail", "card", "phone", "name"]
MASKED = "masked"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_CARD = re.compile(r"(?<![\d])\d(?:[ -]?\d){12,18}(?![\d])")
_PHONE = re.compile(r"(?<![\w.,/+-])(?:\+|00|\()?\d(?:[ ().\-/]{0,2}\d){6,60}(?![\w])")
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}")
_CAPITALISED = r"[^\W\d_a-zß-öø-ÿ][\w'’-]{1,30}"
_NAME = rf"(?P<name>{_CAPITALISED}(?:[ ](?:(?:van|von|de|da|del|der|la|le)[ ])?{_CAPITALISED}){{0,2}})"
_AFTER_TITLE = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Herrn|Frau|Mme|Mlle|Monsieur|Madame|Sr|Sra|Señor|Señora|Don|Doña)\.?[ ]{_NAME}"
)
_INTRODUCED = re.compile(
    r"\b(?i:my name is|my name's|ich hei(?:ß|ss)e|mein name ist|je m['’]appelle|mon nom est|me llamo|mi nombre es"
    rf"|sincerely,?|regards,?|cheers,?|grüße,?)[ \n]{_NAME}"
)
_CHINESE = re.compile(
    r"(?:我叫|我的名字是|我姓)(?P<name>[\u4e00-\u9fff]{1,4})|(?P<titled>[\u4e00-\u9fff]{1,3})(?:先生|女士|小姐)"
)
_FEWEST_PHONE_DIGITS, _MOST_PHONE_DIGITS = 8, 15


class Finding(NamedTuple):
    """A span of personal data: from `start` up to `end`, in characters."""

    kind: PersonalKind
    start: int
    end: int


def find_personal(text: str) -> list[Finding]:
    """Find personal data, in the order of the text; spans do not overlap."""
    found: list[Finding] = []
    for finding in (*_emails(text), *_cards(text), *_phones(text), *_names(text)):
        if all(finding.end <= other.start or finding.start >= other.end for other in found):
            found.append(finding)
    return sorted(found, key=lambda finding: finding.start)


def mask(text: str) -> str:
    """Replace personal data by its kind in brackets, such as [e-mail]."""
    for finding in reversed(find_personal(text)):
        text = f"{text[: finding.start]}[{finding.kind}]{text[finding.end :]}"
    return text


def count_personal(items: Sequence[Item]) -> dict[str, int]:
    """How many items have personal data in their texts, by its kind."""
    counts: Counter[str] = Counter()
    for item in items:
        counts.update({finding.kind for finding in find_personal(f"{item.text}\n{item.second}")})
    return dict(sorted(counts.items()))


def masked(item: Item) -> Item:
    """The item with its texts masked."""
    return item.model_copy(update={"text": mask(item.text), "second": mask(item.second)})


def passes_luhn(number: str) -> bool:
    """Whether the digits have the check digit that card numbers have."""
    digits = [int(digit) for digit in number if digit.isdecimal()][::-1]
    doubled = [digit if place % 2 == 0 else sum(divmod(digit * 2, 10)) for place, digit in enumerate(digits)]
    return sum(doubled) % 10 == 0 and any(digits)


def _emails(text: str) -> Iterator[Finding]:
    yield from (Finding("e-mail", match.start(), match.end()) for match in _EMAIL.finditer(text))


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        if passes_luhn(match.group()):
            yield Finding("card", match.start(), match.end())


def _phones(text: str) -> Iterator[Finding]:
    for match in _PHONE.finditer(text):
        number = match.group()
        digits = sum(character.isdecimal() for character in number)
        is_written_as_one = number[0] in "+0(" or any(sign in number for sign in " -/()")
        if (
            _FEWEST_PHONE_DIGITS <= digits <= _MOST_PHONE_DIGITS
            and is_written_as_one
            and not _DATE.fullmatch(number.strip())
        ):
            yield Finding("phone", match.start(), match.end())


def _names(text: str) -> Iterator[Finding]:
    for pattern in (_AFTER_TITLE, _INTRODUCED, _CHINESE):
        for match in pattern.finditer(text):
            group = next(group for group in ("name", "titled") if match.groupdict().get(group))
            yield Finding("name", *match.span(group))
