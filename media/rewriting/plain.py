"""Translate plain text, gettext catalogues and JSON."""

import json
import re
from collections.abc import Iterator
from typing import Any

from media.errors import UnreadableMedia
from media.rewriting.paragraphs import split_paragraphs
from media.rewriting.passages import TranslatePassages, plain_passages

_SKIPPED_KEYS = ("@", "$", "_")


def rewrite_text(text: str, translate: TranslatePassages) -> str:
    """Translate a text by paragraph; one that is wrapped by line breaks is wrapped again."""
    paragraphs = split_paragraphs(text.split("\n"))
    said = plain_passages(translate, [paragraph.text for paragraph in paragraphs])
    return "\n".join(
        line for paragraph, words in zip(paragraphs, said, strict=True) for line in paragraph.wrapped(words)
    )


def rewrite_gettext(text: str, translate: TranslatePassages) -> str:
    """Fill in what a gettext catalogue has no translation for yet, as fuzzy: somebody should look at it."""
    import polib

    try:
        catalogue = polib.pofile(text)
    except (OSError, ValueError, IndexError) as error:
        raise UnreadableMedia("The file is no gettext catalogue that can be read.") from error
    entries = [entry for entry in catalogue if not _has_translation(entry) and not entry.obsolete and entry.msgid]
    plural = [entry for entry in entries if entry.msgid_plural]
    said = plain_passages(translate, [*(entry.msgid for entry in entries), *(entry.msgid_plural for entry in plural)])
    for entry, words in zip(entries, said, strict=False):
        entry.flags = [*dict.fromkeys([*entry.flags, "fuzzy"])]
        if not entry.msgid_plural:
            entry.msgstr = words
    singular = {id(entry): words for entry, words in zip(entries, said, strict=False)}
    for entry, words in zip(plural, said[len(entries) :], strict=True):
        numbers = sorted(entry.msgstr_plural) or [0, 1]
        entry.msgstr_plural = {number: singular[id(entry)] if number == 0 else words for number in numbers}
    return str(catalogue)


def _has_translation(entry: Any) -> bool:
    return bool(entry.msgstr or any(entry.msgstr_plural.values()))


def rewrite_json(text: str, translate: TranslatePassages) -> str:
    """Translate the string values of a JSON document; keys, and values of keys such as @locale, stay."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableMedia("The file is no JSON that can be read.") from error
    whole = [document]  # a document may be a single string
    places = list(_texts(whole))
    said = plain_passages(translate, [holder[key] for holder, key in places])
    for (holder, key), words in zip(places, said, strict=True):
        holder[key] = words
    found = re.search(r"\n([ \t]+)\S", text)
    ending = "\n" if text.endswith("\n") else ""
    return json.dumps(whole[0], ensure_ascii=False, indent=found[1] if found else None) + ending


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the lists and objects that hold texts, with the index or key of each."""
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        items = ((key, each) for key, each in value.items() if not str(key).startswith(_SKIPPED_KEYS))
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, each in items:
        if isinstance(each, str):
            if any(map(str.isalpha, each)):
                yield value, key
        else:
            yield from _texts(each)
