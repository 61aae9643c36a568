"""Split a text into passages: long enough to have a meaning of their own, short enough to embed."""

import re

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


def split_passages(text: str, max_characters: int = 800) -> list[str]:
    """Split into paragraphs, in order; merge short ones, and split long ones at sentence ends."""
    passages: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        for piece in _pieces(paragraph.strip(), max_characters):
            if passages and len(passages[-1]) + len(piece) + 1 <= max_characters // 2:
                passages[-1] = f"{passages[-1]}\n{piece}"
            else:
                passages.append(piece)
    return passages


def _pieces(paragraph: str, limit: int) -> list[str]:
    """Pack the sentences of a paragraph into pieces of at most `limit` characters; cut a longer sentence anywhere."""
    pieces: list[str] = []
    for sentence in _SENTENCE_END.split(paragraph):
        for start in range(0, len(sentence), limit):
            part = sentence[start : start + limit].strip()
            if pieces and len(pieces[-1]) + len(part) + 1 <= limit:
                pieces[-1] = f"{pieces[-1]} {part}"
            elif part:
                pieces.append(part)
    return pieces
