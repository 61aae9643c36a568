"""Translate Markdown: headings, paragraphs, items, quotes and table cells; code, front matter and links stay."""

import re
from dataclasses import dataclass

from media.rewriting.inline import Block, Tag
from media.rewriting.passages import Passage, TranslatePassages

_FENCE = re.compile(r"^\s*(```|~~~|\$\$)")
_LEAD = re.compile(r"^(?:\s*(?:>\s?|[-*+]\s+(?:\[[ xX]\]\s+)?|\d{1,9}[.)]\s+|#{1,6}\s+|\[\^[^\]]+\]:\s+|:\s+))*\s*")
_STARTS_BLOCK = re.compile(
    r"^\s*(?:>|[-*+]\s|\d{1,9}[.)]\s|#{1,6}\s|\||```|~~~|<[/!a-zA-Z]"
    r"|\[[^\]]+\]:\s|:::|---|===|\$\$|\{%)"
)
_KEPT_LINE = re.compile(
    r"^\s*(?:\[[^\]^]+\]:\s*\S+.*|[-*_=|:+ ]{3,}|<[/!a-zA-Z][^>]*>|:::.*|\{%.*%\}"
    r"|!\[[^\]]*\]\([^)]*\)|(?: {4}|\t)\S.*)\s*$"
)
_INLINE = re.compile(
    r"(?P<code>(?P<ticks>`{1,3})[^`\n]+?(?P=ticks))"
    r"|(?P<image>!\[[^\]\n]*\]\([^()\n]*\))"
    r"|(?P<auto><https?://[^>\s]+>|<[\w.+-]+@[\w.-]+>)"
    r"|(?P<html></?[a-zA-Z][^<>\n]*>)"
    r"|(?P<math>\$[^\s$][^$\n]*\$)"
    r"|(?P<note>\[\^[^\]\n]+\])"
    r"|(?P<link>\[(?=[^\]\n]+\](?:\([^()\n]*(?:\([^()\n]*\))?[^()\n]*\)|\[[^\]\n]*\])))"
    r"|(?P<end>\](?:\([^()\n]*(?:\([^()\n]*\))?[^()\n]*\)|\[[^\]\n]*\]))"
    r"|(?P<strong>\*\*\*|\*\*|__|~~|\*|(?<!\w)_(?=\w)|(?<=[\w.!?])_(?!\w))"
)


@dataclass
class _Part:
    """Text that is copied, or a block with what stands before its lines."""

    copied: str = ""
    lead: str = ""
    block: Block | None = None


def rewrite_markdown(text: str, translate: TranslatePassages) -> str:
    """Translate a Markdown document; a wrapped paragraph becomes one line."""
    parts = _parts(text.split("\n"))
    blocks = [part.block for part in parts if part.block]
    answers = iter(translate([block.passage() for block in blocks]))
    return "".join(part.lead + _shown(part.block, next(answers)) if part.block else part.copied for part in parts)


def _shown(block: Block, answer: Passage) -> str:
    return "".join(content for _, content in block.events(answer))


def _parts(lines: list[str]) -> list[_Part]:
    """Split a document into blocks and what is copied; line feeds are copied."""
    parts: list[_Part] = []
    at = _front_matter(lines)
    if at:
        parts.append(_Part(copied="\n".join(lines[:at]) + ("\n" if at < len(lines) else "")))
    while at < len(lines):
        end = _copied_until(lines, at)
        feed = "\n" if end < len(lines) else ""
        if end > at:
            parts.append(_Part(copied="\n".join(lines[at:end]) + feed))
        elif lines[at].lstrip().startswith("|"):
            end = at + 1
            parts += _cells(lines[at], "\n" if end < len(lines) else "")
        else:
            end = _paragraph_end(lines, at)
            parts += _paragraph(lines[at:end], "\n" if end < len(lines) else "")
        at = end
    return parts


def _front_matter(lines: list[str]) -> int:
    """Return the number of lines of YAML front matter."""
    if lines[:1] != ["---"]:
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line in ("---", "...")), 0)


def _copied_until(lines: list[str], at: int) -> int:
    """Return where copied lines that begin at `at` end: code, rules, markup, blank lines."""
    if fence := _FENCE.match(lines[at]):
        closing = (n for n in range(at + 1, len(lines)) if lines[n].strip().startswith(fence[1]))
        return next(closing, len(lines) - 1) + 1
    is_copied = not any(map(str.isalpha, lines[at])) or _KEPT_LINE.match(lines[at])
    return at + 1 if is_copied else at


def _paragraph_end(lines: list[str], at: int) -> int:
    end = at + 1
    if re.match(r"^\s*#{1,6}\s", lines[at]):
        return end
    while end < len(lines) and lines[end].strip() and not _STARTS_BLOCK.match(lines[end]):
        if lines[end - 1].endswith(("  ", "\\")):  # a hard line break
            break
        end += 1
    return end


def _paragraph(lines: list[str], feed: str) -> list[_Part]:
    lead = _LEAD.match(lines[0])
    start = lead.end() if lead else 0
    body = " ".join([lines[0][start:], *(line.strip() for line in lines[1:])])
    ending = body[len(body.rstrip()) :]
    return [_Part(lead=lines[0][:start], block=_block(body.rstrip())), _Part(copied=f"{ending}{feed}")]


def _cells(line: str, feed: str) -> list[_Part]:
    parts: list[_Part] = []
    for piece in re.split(r"((?<!\\)\|)", line):
        inner = piece.strip()
        if not any(map(str.isalpha, inner)):
            parts.append(_Part(copied=piece))
            continue
        before, _, after = piece.partition(inner)
        parts += [_Part(lead=before, block=_block(inner)), _Part(copied=after)]
    return [*parts, _Part(copied=feed)]


def _block(text: str) -> Block:
    """Read the inline markup of a paragraph."""
    block = Block(source=text)
    opened: list[str] = []
    at = 0
    for found in _INLINE.finditer(text):
        block.text += text[at : found.start()]
        at = found.end()
        _add(block, found, opened)
    block.text += text[at:]
    return block


def _add(block: Block, found: re.Match[str], opened: list[str]) -> None:
    kind, source, offset = found.lastgroup, found[0], len(block.text)
    if kind in ("code", "ticks", "auto", "math"):
        block.text += source
        block.tags.append(Tag(offset, source, "kept", end=len(block.text)))
    elif kind == "strong":
        if source in opened:
            opened.remove(source)
            block.tags.append(Tag(offset, source, "close", key=source))
        else:
            opened.append(source)
            block.tags.append(Tag(offset, source, "open", key=source))
    elif kind in ("link", "end"):
        block.tags.append(Tag(offset, source, "open" if kind == "link" else "close", key="link"))
    elif kind == "html" and not source.endswith("/>"):
        block.tags.append(Tag(offset, source, "close" if source.startswith("</") else "open"))
    else:
        block.tags.append(Tag(offset, source, "void"))
