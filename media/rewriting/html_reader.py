"""Read HTML into markup, and blocks of text with inline tags."""

from html import unescape
from html.parser import HTMLParser

from media.rewriting.inline import Block, Kind, Tag

_INLINE = frozenset(
    """a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark q s samp small span
    strike strong sub sup time tt u var wbr nobr ruby rb rt rp""".split()  # noqa: SIM905
)
_KEPT = frozenset(("code", "kbd", "samp", "var", "tt"))
_RAW = frozenset(("script", "style", "pre", "textarea", "svg", "math", "template", "noscript"))
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_BREAK = "br"


class HtmlReader(HTMLParser):
    """Collects markup (str) and blocks, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._end_tag = ""
        self.parts: list[str | Block] = []
        self._untranslated: list[str] = []
        """Open tags since the first that must not be translated."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = self.get_starttag_text() or ""
        if self._untranslated:
            self._markup(source)
            if tag not in _VOID:
                self._untranslated.append(tag)
        elif _is_untranslated(tag, attrs) and tag not in _VOID:
            self._markup(source, kept=tag in _INLINE)
            self._untranslated.append(tag)
        else:
            self._tag(tag, source, "void" if tag in _VOID else "open")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = self.get_starttag_text() or ""
        if self._untranslated:
            self._markup(source)
        else:
            self._tag(tag, source, "void")

    def parse_endtag(self, i: int) -> int:
        """Remember how the tag is written."""
        end = self.rawdata.find(">", i)
        self._end_tag = self.rawdata[i : end + 1] if end >= 0 else self.rawdata[i:]
        return super().parse_endtag(i)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Keep a section such as `<![x]>` as it is, where the library knows none of this name."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            end = self.rawdata.find(">", i) + 1
            if end:
                self._aside(self.rawdata[i:end])
            return end or -1

    def handle_endtag(self, tag: str) -> None:
        if not self._untranslated:
            self._tag(tag, self._end_tag, "close")
            return
        self._markup(self._end_tag)
        if tag in self._untranslated:
            while self._untranslated.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._text(data, data)

    def handle_entityref(self, name: str) -> None:
        self._text(f"&{name};", unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._text(f"&#{name};", unescape(f"&#{name};"))

    def _text(self, source: str, text: str) -> None:
        if not self._untranslated:
            block = self._block()
            block.text += text
            block.source += source
            return
        self._markup(source)
        last = self.parts[-1]
        if isinstance(last, Block):
            last.text += text
            last.tags[-1].end = len(last.text)

    def handle_comment(self, data: str) -> None:
        self._aside(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._aside(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._aside(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self._aside(f"<![{data}]]>" if data.startswith("CDATA[") else f"<![{data}]>")

    def _tag(self, tag: str, source: str, kind: Kind) -> None:
        if tag in _INLINE and tag != _BREAK:
            block = self._block()
            block.tags.append(Tag(len(block.text), source, kind))
            block.source += source
        else:
            self.parts.append(source)

    def _aside(self, source: str) -> None:
        """Keep what is no text and does not end a block."""
        if self.parts and isinstance(self.parts[-1], Block) and self.parts[-1].text.strip():
            self.parts[-1].tags.append(Tag(len(self.parts[-1].text), source, "void"))
            self.parts[-1].source += source
        else:
            self.parts.append(source)

    def _markup(self, source: str, *, kept: bool = False) -> None:
        """Keep untranslated markup: inside a block if it is inline."""
        last = self.parts[-1] if self.parts else None
        is_inside = bool(self._untranslated) and isinstance(last, Block) and bool(last.tags)
        if kept:
            block = self._block()
            block.tags.append(Tag(len(block.text), source, "kept"))
            block.source += source
        elif is_inside and isinstance(last, Block) and last.tags[-1].kind == "kept":
            last.tags[-1].source += source
            last.source += source
        else:
            self.parts.append(source)

    def _block(self) -> Block:
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Block):
            return last
        block = Block()
        self.parts.append(block)
        return block


def _is_untranslated(tag: str, attributes: list[tuple[str, str | None]]) -> bool:
    given = {name: value or "" for name, value in attributes}
    says_no = given.get("translate", "").lower() == "no" or "notranslate" in given.get("class", "").split()
    return tag in _RAW or tag in _KEPT or says_no
