"""Paragraphs of runs keep their words, their formatting and what else they show, wherever an answer has its marks."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st

from media.rewriting.passages import Passage, PassageMark
from media.rewriting.rewrite import outline, rewrite

PIECES = ("Some words", " and more", "12", " – ", " ", "   ", "\t", "\n", "(3)", ", ", "the end")
Run = tuple[str, bool, bool]
RUNS = st.lists(st.tuples(st.sampled_from(PIECES), st.booleans(), st.booleans()), min_size=1, max_size=8)


def written(runs: Sequence[Run]) -> bytes:
    document = docx.Document()
    paragraph = document.add_paragraph()
    for text, bold, italic in runs:
        run = paragraph.add_run(text)  # \t and \n become elements beside the text
        run.bold, run.italic = bold or None, italic or None
    return saved(document)


def saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def paragraph_of(data: bytes, number: int = 0) -> Any:
    return docx.Document(io.BytesIO(data)).paragraphs[number]


def formats(paragraph: Any) -> list[tuple[str, bool, bool]]:
    """Each character that is not white space, with its formatting."""
    return [(c, bool(run.bold), bool(run.italic)) for run in paragraph.runs for c in run.text if not c.isspace()]


@given(runs=RUNS)
@settings(deadline=None)
def test_a_paragraph_keeps_each_character_with_its_formatting_its_tabs_and_breaks(runs: list[Run]) -> None:
    data = written(runs)
    before, after = paragraph_of(data), paragraph_of(rewrite(data, ".docx", outline(data, ".docx")))
    assert formats(after) == formats(before)
    assert [c for c in after.text if c in "\t\n"] == [c for c in before.text if c in "\t\n"]
    assert after.text.split() == before.text.split()


@given(runs=RUNS, choose=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_no_word_is_lost_wherever_the_marks_are(runs: list[Run], choose: Any) -> None:
    """A model that is not sure may lose a mark, or give one any place: they nest or are apart."""
    data = written(runs)

    def moved(passage: Passage) -> Passage:
        at, marks = 0, list[PassageMark]()
        for _ in passage.marks:
            at = choose.randint(at, len(passage.text))
            end = choose.randint(at, len(passage.text))
            marks.append(PassageMark(start=at, end=end))
            at = end
        return passage.model_copy(update={"marks": tuple(marks)})

    passages = outline(data, ".docx")
    after = paragraph_of(rewrite(data, ".docx", [moved(passage) for passage in passages]))
    before = paragraph_of(data)
    assert "".join(after.text.split()) == "".join(before.text.split())
    assert sum(map(after.text.count, "\t\n")) == sum(map(before.text.count, "\t\n"))


FIELD = (
    '<w:r {ns}><w:t>Page </w:t><w:fldChar w:fldCharType="begin"/></w:r>',
    "<w:r {ns}><w:instrText>PAGE</w:instrText></w:r>",
    '<w:r {ns}><w:fldChar w:fldCharType="separate"/><w:t>7</w:t><w:fldChar w:fldCharType="end"/>'
    "<w:t> of many</w:t></w:r>",
)


def with_elements(*elements: str) -> bytes:
    document = docx.Document()
    paragraph: Any = document.add_paragraph()
    for element in elements:
        paragraph._p.append(parse_xml(element.format(ns=nsdecls("w"))))
    return saved(document)


def test_words_in_the_same_run_as_a_field_are_translated_and_the_field_stays() -> None:
    data = with_elements(*FIELD)
    [passage] = outline(data, ".docx")
    assert passage.text == "Page of many"
    after = paragraph_of(rewrite(data, ".docx", [passage.model_copy(update={"text": "Teil of many"})]))
    assert after.text.replace(" ", "") == "Teil7ofmany"
    kinds = [each.get(each.tag.replace("fldChar", "fldCharType")) for each in after._p.iter() if "fldChar" in each.tag]
    assert kinds == ["begin", "separate", "end"]


def test_a_paragraph_in_which_a_field_only_ends_is_translated() -> None:
    """As the last one of a table of contents."""
    data = with_elements('<w:r {ns}><w:fldChar w:fldCharType="end"/></w:r>', "<w:r {ns}><w:t>Words</w:t></w:r>")
    assert [passage.text for passage in outline(data, ".docx")] == ["Words"]


def test_what_a_program_notes_about_spelling_and_pages_is_no_mark() -> None:
    data = with_elements(
        "<w:r {ns}><w:lastRenderedPageBreak/><w:t>A </w:t></w:r>",
        '<w:proofErr {ns} w:type="spellStart"/>',
        "<w:r {ns}><w:t>wrod</w:t></w:r>",
    )
    assert outline(data, ".docx") == [Passage(text="A wrod")]


def test_the_formatting_of_a_text_box_is_not_that_of_its_paragraph() -> None:
    box = (
        "<w:r {ns}><w:pict><w:txbxContent><w:p><w:r><w:rPr><w:b/></w:rPr><w:t>A long text in a box, in bold</w:t></w:r>"
        "</w:p></w:txbxContent></w:pict></w:r>"
    )
    data = with_elements("<w:r {ns}><w:t>Outside</w:t></w:r>", box)
    outside, inside = outline(data, ".docx")
    assert (outside.text, inside.text) == ("Outside", "A long text in a box, in bold")
    answers = [outside.model_copy(update={"text": "Außen"}), inside.model_copy(update={"text": "Innen"})]
    after: Any = paragraph_of(rewrite(data, ".docx", answers))
    assert [(run.text, run.bold) for run in after.runs if run.text] == [("Außen", None)]
    assert "Innen" in after._p.xml


def deck(fill: Callable[[Any], None]) -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    fill(slide.shapes.title.text_frame.paragraphs[0])  # pyright: ignore[reportOptionalMemberAccess]
    return saved(presentation)


@pytest.mark.parametrize("gap", ["", " "])
def test_a_line_break_of_a_slide_ends_a_word(gap: str) -> None:
    def fill(paragraph: Any) -> None:
        paragraph.add_run().text = f"Hello{gap}"
        paragraph.add_line_break()
        bold = paragraph.add_run()
        bold.text, bold.font.bold = "World", True

    data = deck(fill)
    [passage] = outline(data, ".pptx")
    assert passage.text == f"Hello{gap}\nWorld"
    again = pptx.Presentation(io.BytesIO(rewrite(data, ".pptx", [passage])))
    title: Any = again.slides[0].shapes.title
    assert title.text_frame.text == f"Hello{gap}\vWorld"
    assert [run.font.bold for run in title.text_frame.paragraphs[0].runs] == [None, True]


GAPS = {
    "Name:\tTom\tAge:\t35": "Name:\tTom\tAge:\t35",
    "\tTom Miller\n12 Main Street\n": "\tTom Miller\n12 Main Street\n",
    "We like this\nold house.": "We like this old house.",
}


@pytest.mark.parametrize("text", list(GAPS))
def test_tabs_and_line_breaks_end_a_text_unless_its_sentence_goes_on(text: str) -> None:
    """Whatever an answer says between them, they are there again, with the formatting that they had."""
    document = docx.Document()
    document.add_paragraph().add_run(text).underline = True
    data = saved(document)
    [passage] = outline(data, ".docx")
    assert passage.text == GAPS[text]
    after = paragraph_of(rewrite(data, ".docx", [passage.model_copy(update={"text": passage.text.swapcase()})]))
    assert after.text.replace(" \n", "\n") == text.swapcase()
    assert {run.underline for run in after.runs} == {True}
    slides = deck(lambda paragraph: setattr(paragraph, "text", text.replace("\n", "\v")))
    [passage] = outline(slides, ".pptx")
    again: Any = pptx.Presentation(io.BytesIO(rewrite(slides, ".pptx", [passage]))).slides[0].shapes.title
    assert (passage.text, again.text_frame.text.replace(" \v", "\v")) == (GAPS[text], text.replace("\n", "\v"))


def test_a_cell_keeps_its_line_breaks() -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet["A1"] = "A red apple\nA green apple\tor two"
    data = saved(book)
    [passage] = outline(data, ".xlsx")
    answer = passage.model_copy(update={"text": passage.text.swapcase()})
    again: Any = openpyxl.load_workbook(io.BytesIO(rewrite(data, ".xlsx", [answer]))).active
    assert again["A1"].value == "a RED APPLE\na GREEN APPLE\tOR TWO"


CONTROL = (
    "<w:sdt {ns}><w:sdtPr>%s</w:sdtPr><w:sdtContent><w:r><w:rPr><w:b/></w:rPr><w:t>good friend</w:t></w:r>"
    "</w:sdtContent></w:sdt>"
)


def test_the_text_of_a_content_control_is_translated_but_not_a_choice_in_it() -> None:
    texts = {"": "Dear good friend", "<w:dropDownList/>": "Dear"}
    for properties, text in texts.items():
        data = with_elements("<w:r {ns}><w:t>Dear </w:t></w:r>", CONTROL % properties)
        [passage] = outline(data, ".docx")
        assert passage.text == text
        after: Any = paragraph_of(rewrite(data, ".docx", [passage]))
        assert [run.text for run in after._p.xpath(".//w:sdtContent/w:r[w:rPr/w:b]")] == ["good friend"]
