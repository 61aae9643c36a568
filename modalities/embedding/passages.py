"""Passages: pieces of a text that are long enough to mean something and short enough to embed."""

import re

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


def split_passages(text: str, max_characters: int = 800) -> list[str]:
    """Paragraphs, joined while they are short and cut at sentence ends while they are long; order is kept."""
    passages: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        for piece in _pieces(paragraph.strip(), max_characters):
            if passages and len(passages[-1]) + len(piece) + 1 <= max_characters // 2:
                passages[-1] = f"{passages[-1]}\n{piece}"
            else:
                passages.append(piece)
    return passages


def _pieces(paragraph: str, limit: int) -> list[str]:
    """The sentences of a paragraph, packed up to `limit` characters; what has no sentence end is cut hard."""
    pieces: list[str] = []
    for sentence in _SENTENCE_END.split(paragraph):
        for start in range(0, len(sentence), limit):
            part = sentence[start : start + limit].strip()
            if pieces and len(pieces[-1]) + len(part) + 1 <= limit:
                pieces[-1] = f"{pieces[-1]} {part}"
            elif part:
                pieces.append(part)
    return pieces
