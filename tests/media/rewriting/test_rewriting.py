"""Documents are written again in another language, with their formatting around the same words."""

import io
from collections.abc import Sequence
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import ItemError
from media.rewriting.html import rewrite_html
from media.rewriting.passages import Passage, PassageMark
from media.rewriting.rewrite import outline, rewrite
from media.sandbox import Decoders


def swapped(passages: Sequence[Passage]) -> list[Passage]:
    """A language in which small letters are capitals."""
    return [Passage(text=passage.text.swapcase(), marks=passage.marks) for passage in passages]


def same(passages: Sequence[Passage]) -> Sequence[Passage]:
    return passages


def rewritten(data: bytes | str, ending: str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return rewrite(data, ending, swapped(outline(data, ending)))


HTML = {
    '<p>I <b>really</b> like this <a href="x">old house</a>.</p>': (
        ["I really like this old house."],
        '<p>i <b>REALLY</b> LIKE THIS <a href="x">OLD HOUSE</a>.</p>',
    ),
    '<p>Use <code>pip x</code>, <span translate="no">Dear</span> friend.</p><pre>No &lt; no</pre>': (
        ["Use pip x, Dear friend."],
        '<p>uSE <code>pip x</code>, <span translate="no">Dear</span> FRIEND.</p><pre>No &lt; no</pre>',
    ),
    '<div class="a notranslate"><p>Not &copy; this</p></div><p>Yes<!-- no --> it is</p><![CDATA[ No <b> ]]>': (
        ["Yes it is"],
        '<div class="a notranslate"><p>Not &copy; this</p></div><p>yES<!-- no --> IT IS</p><![CDATA[ No <b> ]]>',
    ),
    '<P>Big<br/>small</P>\n<img src="a" alt="A dog">': (
        ["Big", "small", "A dog"],
        '<P>bIG<br/>SMALL</P>\n<img src="a" alt="a DOG">',
    ),
    "It's</i> an <b>unclosed": (["It's an unclosed"], "iT'S</i> AN <b>UNCLOSED"),
    "<p><a><em>View the</em> <em><b>systems</b></em></a></p>": (
        ["View the systems"],
        "<p><a><em>vIEW THE</em> <em><b>SYSTEMS</b></em></a></p>",
    ),
    "<![if !supportLists]>A<![endif]><![ok> <i>b</i>": (["A b"], "<![if !supportLists]>a<![endif]><![ok> <i>B</i>"),
    "<ul>\n <li>One <em>two</em></li>\n</ul> tail": (
        ["One two", "tail"],
        "<ul>\n <li>oNE <em>TWO</em></li>\n</ul> TAIL",
    ),
    "<script>if (a < b) c()</script><td>10</td>": ([], "<script>if (a < b) c()</script><td>10</td>"),
}


@pytest.mark.parametrize("html", list(HTML))
def test_html_keeps_its_markup_around_the_same_words(html: str) -> None:
    texts, expected = HTML[html]
    assert [passage.text for passage in outline(html.encode(), ".html")] == texts
    assert rewritten(html, ".html").decode() == expected


@given(st.text(alphabet="ab <>/&;!-[]i=\"'", max_size=60))
def test_any_html_is_read(html: str) -> None:
    rewrite_html(html, swapped)


def test_a_mark_that_moved_takes_its_tags_along() -> None:
    def moved(passages: Sequence[Passage]) -> list[Passage]:
        assert len(passages[0].marks) == 2
        return [
            Passage(
                text="Dieses alte Haus mag ich sehr.",
                marks=(PassageMark(start=25, end=29), PassageMark(start=7, end=16)),
            )
        ]

    html = '<p>I <b>really</b> like this <a href="x">old house</a>.</p>'
    assert rewrite_html(html, moved) == '<p>Dieses <a href="x">alte Haus</a> mag ich <b>sehr</b>.</p>'


MARKDOWN = """\
---
title: Yes
---
# The old house

We **really** like [this house](http://x.org/a_b) and `code x`.
It is wrapped here.

- [ ] First *item* here
1. Second

| Name | Price |
|------|------:|
| A dog | 10 |

```
keep me
```
![alt](x.png)
> A quote
"""


def test_markdown_keeps_code_front_matter_links_and_tables() -> None:
    assert rewrite(MARKDOWN.encode(), ".md", outline(MARKDOWN.encode(), ".md")).decode() == MARKDOWN.replace(
        "`.\nIt", "`. It"
    )
    text = rewritten(MARKDOWN, ".md").decode()
    for kept in ("title: Yes", "(http://x.org/a_b)", "`code x`", "keep me", "![alt](x.png)", "|------|------:|"):
        assert kept in text
    assert "# tHE OLD HOUSE\n" in text
    assert "wE **REALLY** LIKE [THIS HOUSE](http" in text
    assert "- [ ] fIRST *ITEM* HERE\n1. sECOND" in text
    assert "| a DOG | 10 |" in text
    assert text.endswith("> a QUOTE\n")


SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>I have never seen

2
00:00:02,600 --> 00:00:04,000
a house as old as this.</i>

3
00:00:05,000 --> 00:00:06,000
- Who is <b>there</b>?
- Nobody.

4
00:00:07,000 --> 00:00:08,000

5
00:00:08,000 --> 00:00:09,000
{\\an8}One line that is
broken in two.
"""


def test_a_sentence_over_two_cues_is_one_passage_and_times_stay() -> None:
    assert [passage.text for passage in outline(SRT.encode(), ".srt")] == [
        "I have never seen a house as old as this.",
        "Who is there?",
        "Nobody.",
        "One line that is broken in two.",
    ]
    assert rewritten(SRT, ".srt").decode().swapcase() == SRT.swapcase().swapcase().replace("<i>", "<I>").replace(
        "</i>", "</I>"
    ).replace("<b>", "<B>").replace("</b>", "</B>").replace("\\an8", "\\AN8")
    vtt = "WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.000 align:start\r\nHello <c.red>there</c>\n"
    assert rewritten(vtt, ".vtt").decode().count("hELLO <c.red>THERE</c>") == 1


TAGGED_SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> there, my friend.

2
00:00:02,600 --> 00:00:04,000
I <i>really</i> think that

3
00:00:04,100 --> 00:00:05,000
it is <b>very old.</b>

4
00:00:06,000 --> 00:00:07,000
- <i>Who</i> is there?
- Nobody is <u>here</u>.

5
00:00:10,000 --> 00:00:11,000
<font color="red">We <i>both</i>

6
00:00:11,000 --> 00:00:12,000
know it.</font>
"""


def test_tags_stay_around_the_same_words_of_cues_also_where_a_sentence_runs_over_several() -> None:
    passages = outline(TAGGED_SRT.encode(), ".srt")
    marked = [[each.text[mark.start : mark.end] for mark in each.marks] for each in passages]
    assert marked == [["Hello"], ["really", "very old."], ["Who"], ["here"], ["both"]]
    assert rewrite(TAGGED_SRT.encode(), ".srt", passages).decode() == TAGGED_SRT
    # A tag around words that come to lie in two cues is in both of them.
    answers = [*passages[:4], Passage(text="Das wissen wir beide.", marks=(PassageMark(start=4, end=20),))]
    written = rewrite(TAGGED_SRT.encode(), ".srt", answers).decode()
    assert '<font color="red">Das <i>wissen</i>\n' in written
    assert "<i>wir beide</i>.</font>" in written


def test_catalogues_get_what_they_lack_and_json_keeps_its_keys() -> None:
    po = 'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "Hello %s"\nmsgstr ""\n\nmsgid "Done"\nmsgstr "Fertig"\n'
    text = rewritten(po, ".po").decode()
    assert '#, fuzzy\nmsgid "Hello %s"\nmsgstr "hELLO %S"' in text
    assert 'msgstr "Fertig"' in text
    document = '{\n  "greeting": "Hello",\n  "@greeting": {"note": "No"},\n  "n": [1, "Two\\nlines", "10"]\n}\n'
    written = rewritten(document, ".json").decode()
    assert '"greeting": "hELLO"' in written
    assert '"note": "No"' in written
    assert '"tWO\\nLINES"' in written


@pytest.mark.parametrize(("document", "expected"), [('"Hello"\n', '"hELLO"\n'), ("[1]", "[1]"), ('"10"', '"10"')])
def test_a_json_document_may_be_a_single_value(document: str, expected: str) -> None:
    assert rewritten(document, ".json").decode() == expected


def docx() -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("The report", 1)
    paragraph = document.add_paragraph("We ")
    paragraph.add_run("really").bold = True
    paragraph.add_run(" like ")
    paragraph.add_run("this old").italic = True
    paragraph.add_run(" house.").add_tab()
    paragraph.add_run("The end")
    document.add_table(2, 2).cell(1, 1).text = "It costs 10 dollars."
    document.sections[0].footer.paragraphs[0].text = "A footer"
    return _saved(document)


def test_a_word_document_keeps_its_formatting_table_and_footer() -> None:
    import docx as library

    document = library.Document(io.BytesIO(rewritten(docx(), ".docx")))
    heading, paragraph = document.paragraphs
    assert (heading.text, heading.style.name if heading.style else "") == ("tHE REPORT", "Heading 1")
    assert [(run.text, run.bold, run.italic) for run in paragraph.runs] == [
        ("wE ", None, None),
        ("REALLY", True, None),
        (" LIKE ", None, None),
        ("THIS OLD", None, True),
        (" HOUSE.", None, None),
        ("\t", None, None),
        ("tHE END", None, None),
    ]
    assert document.tables[0].cell(1, 1).text == "iT COSTS 10 DOLLARS."
    assert document.sections[0].footer.paragraphs[0].text == "a FOOTER"


def test_slides_keep_their_runs_and_notes() -> None:
    import pptx

    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    frame: Any = slide.placeholders[1]
    first = frame.text_frame.paragraphs[0].add_run()
    first.text, first.font.bold = "Bold ", True
    frame.text_frame.paragraphs[0].add_run().text = "and not bold at all"
    notes: Any = slide.notes_slide.notes_text_frame
    notes.text = "Say hello"
    again = pptx.Presentation(io.BytesIO(rewritten(_saved(deck), ".pptx")))
    written: Any = again.slides[0]
    runs = written.placeholders[1].text_frame.paragraphs[0].runs
    assert [(run.text, run.font.bold) for run in runs] == [("bOLD ", True), ("AND NOT BOLD AT ALL", None)]
    assert written.notes_slide.notes_text_frame.text == "sAY HELLO"


def test_sheets_keep_numbers_and_formulas_and_tables_their_names() -> None:
    import openpyxl
    from openpyxl.worksheet.table import Table

    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in (["Name", "Price"], ["A red apple", 1.5], ["Sum", "=SUM(B2:B2)"]):
        sheet.append(row)
    sheet.add_table(Table(displayName="T", ref="A1:B2"))
    again: Any = openpyxl.load_workbook(io.BytesIO(rewritten(_saved(book), ".xlsx"))).active
    values = [[cell.value for cell in row] for row in again.rows]
    assert values == [["nAME", "pRICE"], ["a RED APPLE", 1.5], ["sUM", "=SUM(B2:B2)"]]
    assert [column.name for column in again.tables["T"].tableColumns] == ["nAME", "pRICE"]


CONTENT = (
    '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><text:h>A title</text:h>'
    '<text:p>Some <text:span text:style-name="B">bold</text:span> words<text:tab/>here.</text:p>'
    "</office:body></office:document-content>"
)
CHAPTER = "<html><body><h1>One</h1><p>It was <i>cold</i>.</p></body></html>"


def test_open_documents_and_books_keep_their_markup() -> None:
    odt = _zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": CONTENT})
    with ZipFile(io.BytesIO(rewritten(odt, ".odt"))) as package:
        text = package.read("content.xml").decode()
    assert "<text:h>a TITLE</text:h>" in text
    assert 'sOME <text:span text:style-name="B">BOLD</text:span> WORDS<text:tab/>HERE.' in text
    toc = "<ncx><navLabel><text>One</text></navLabel></ncx>"
    epub = _zipped({"mimetype": "application/epub+zip", "OEBPS/a.xhtml": CHAPTER, "toc.ncx": toc})
    with ZipFile(io.BytesIO(rewritten(epub, ".epub"))) as package:
        assert (
            package.read("OEBPS/a.xhtml").decode() == "<html><body><h1>oNE</h1><p>iT WAS <i>COLD</i>.</p></body></html>"
        )
        assert "<text>oNE</text>" in package.read("toc.ncx").decode()


@pytest.mark.parametrize(
    ("data", "ending"),
    [(b"PK\x03\x04 broken", ".docx"), (b"{", ".json"), (b"\x00\x01", ".txt"), (b"x", ".pdf"), (b"x", "")],
)
def test_a_document_that_cannot_be_read_is_refused_in_a_sentence(data: bytes, ending: str) -> None:
    with pytest.raises(ItemError, match=r"\.$"):
        outline(data, ending)


def test_the_sandbox_lists_and_writes() -> None:
    decoders = Decoders(count=1)
    passages = decoders.outline(docx(), ".docx")
    assert passages[1].text == "We really like this old house.\tThe end"
    import docx as library

    again = library.Document(io.BytesIO(decoders.rewrite(docx(), ".docx", swapped(passages))))
    assert again.paragraphs[0].text == "tHE REPORT"
    with pytest.raises(ItemError, match="no package that can be read"):
        decoders.outline(b"PK", ".docx")
    decoders.close()


def _saved(document: Any) -> bytes:
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _zipped(members: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with ZipFile(written, "w") as package:
        for name, content in members.items():
            package.writestr(name, content)
    return written.getvalue()
