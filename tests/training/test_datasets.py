"""Datasets: splits that the content decides, tables as people have them, personal data, cards and differences."""

from pathlib import Path

import pytest

from training.datasets.card import difference
from training.datasets.folder import Dataset, DatasetFacts, read_folder, write_folder
from training.datasets.manifest import Collected, InvalidDataset, Item, collect, split_of
from training.datasets.privacy import count_personal, find_personal, mask, passes_luhn
from training.datasets.rows import parse_table, read_table


def collected(table: str, name: str = "rows.csv") -> Collected:
    return collect("texts", [(row.item, row.split) for row in parse_table(table, name)])


def test_the_split_is_decided_by_the_content_whatever_its_case_and_whatever_else_there_is() -> None:
    one = collected("text,label\nGood phone,pos\nBad phone,neg\n").manifest
    other = collected("text,label\nA new row,pos\n  GOOD   phone,pos\nbad phone,neg\n").manifest
    splits = {item.key: item.split for item in one.items}
    assert splits.items() <= {item.key: item.split for item in other.items}.items()
    shares = [split_of(str(number)) for number in range(2000)]
    assert 350 < shares.count("test") < 450
    assert 150 < shares.count("validation") < 250


def test_equal_items_are_one_and_contradictions_are_left_out_and_said() -> None:
    found = collected("text,label\nsame,pos\nSame,pos\nboth,pos\nboth,neg\nother,neg\n")
    assert [(item.text, item.label) for item in found.manifest.items if item.text == "same"] == [("same", "pos")]
    assert {item.text for item in found.manifest.items} == {"same", "other"}
    assert found.left_out == {"repeated": ["same"], "several labels": ["both"]}


def test_a_text_that_is_in_the_training_and_in_the_test_file_is_tested_and_not_trained_on() -> None:
    rows = [
        *parse_table("text,label\na,x\nb,y\n", "data.train.csv"),
        *parse_table("text,label\nA,x\n", "data.test.csv"),
    ]
    found = collect("texts", [(row.item, row.split) for row in rows])
    assert {item.text: item.split for item in found.manifest.items} == {"a": "test", "b": "train"}


def test_tables_as_spreadsheets_write_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "german.csv").write_bytes(
        'Text;Kategorie;label\n"Größe; und\nmehr";x;neu\n"Ärger ""hier""";y;alt\n'.encode("utf-8-sig")
    )
    (tmp_path / "tabs.tsv").write_text("sentence\tstars\nFine, thanks\t4.5\nNo\t1\n\t2\n", encoding="utf-16")
    german, tabs = read_table(tmp_path / "german.csv"), read_table(tmp_path / "tabs.tsv")
    assert [(row.item.text, row.item.label) for row in german] == [("Größe; und\nmehr", "neu"), ('Ärger "hier"', "alt")]
    assert [(row.item.text, row.item.label) for row in tabs] == [("Fine, thanks", "4.5"), ("No", "1")]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("name,age\nA,3\n", "no column of texts or pictures (its columns: name, age)"),
        ("text,label,split\na,x,tset\n", "row 2: the split 'tset'"),
        (f"label,text\n{'long ' * 20},x\n", "is that the column of texts?"),
        ("text,label\nonly one,x\n", "needs two items"),
        ('text,label\n"broken,x\n', "is no table"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_column_or_row(table: str, sentence: str) -> None:
    with pytest.raises(InvalidDataset, match=r"\.|:") as error:
        collected(table)
    assert sentence in str(error.value)


def test_a_version_is_named_by_its_content_and_differences_name_what_changed() -> None:
    one = collected("text,label\na,x\nb,y\nc,x\n").manifest
    same = collected("text,label\nc,x\nb,y\na,x\n").manifest
    other = collected("text,label\na,y\nb,y\nd,x\n").manifest
    assert one.encode() == same.encode() != other.encode()
    found = difference(one, other)
    assert (found.added, found.removed, found.relabelled) == (["d (x)"], ["c (x)"], {"a": ("x", "y")})


PERSONAL = {
    "write to jo.doe+shop@mail.example.co.uk today": ["e-mail"],
    "call +49 (0)89 1234-5678 or 089/1234567": ["phone", "phone"],
    "paid with 4111 1111 1111 1111": ["card"],
    "order 4111 1111 1111 1112 is late": [],
    "on 2024-01-31 and 31.12.2024, 3.14159265 of 1,234,567": [],
    "My name is Ada Lovelace, ask Mr. van Dyke or Dr. Hopper": ["name", "name"],
    "Ich heiße Jörg Müller. Je m'appelle Élodie.": ["name", "name"],
    "我叫李雷，请联系王先生": ["name", "name"],
    "This is Good. I am Happy with it.": [],
}


@pytest.mark.parametrize(("text", "kinds"), PERSONAL.items())
def test_personal_data_is_found_by_its_form(text: str, kinds: list[str]) -> None:
    assert [finding.kind for finding in find_personal(text)] == kinds
    assert find_personal(mask(text)) == []


def test_masking_keeps_the_rest_of_the_text() -> None:
    assert mask("Dr. Hopper, a@b.io, 4111-1111-1111-1111!") == "Dr. [name], [e-mail], [card]!"
    assert count_personal([Item(text="a@b.io c@d.io"), Item(text="none"), Item(text="x", second="e@f.io")]) == {
        "e-mail": 2
    }
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398710")


def test_a_folder_gives_back_what_was_written_whatever_separators_are_in_the_texts(tmp_path: Path) -> None:
    items = (Item(text="one\u2028two\x85three\n", label="x"), Item(text="four", split="test"))
    facts = DatasetFacts(name="odd", digest="0" * 64, kind="texts", labels=("x",))
    write_folder(tmp_path / "dataset", Dataset(facts=facts, items=items))
    read = read_folder(tmp_path / "dataset")
    assert (read.items, read.of("train"), read.of("test", labelled=False)) == (items, [0], [1])
