"""Tables as documents, and a file for each sheet of a workbook."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2
import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import tables as readers
from jobs.engine.formats.columns import AUTOMATIC
from jobs.engine.formats.tables import DETECTED, ReadOptions, texts
from jobs.engine.kits.conversion import options, table_documents, workbooks
from jobs.engine.kits.sql import loading


def convert(
    source: Path, to: str, folder: Path, reading: ReadOptions = DETECTED, **given: Any
) -> tuple[Path, list[str], int]:
    place = folder / f"made-{len(list(folder.iterdir()))}"
    place.mkdir()
    return workbooks.convert(source, source.name, to, options.filled(to, given), place, reading, AUTOMATIC)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Two sheets with a table, and one without."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Sales"
    sheet.append(["item", "price", "day"])
    sheet.append(["a | <b>\nnext", 0.1 + 0.2, date(2026, 1, 2)])
    other = made.create_sheet("Städte / 2".replace("/", "-"))
    other.append(["city"])
    other.append(["東京"])
    made.create_sheet("Empty")
    made.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


def test_all_sheets_are_in_a_document(book: Path, tmp_path: Path) -> None:
    path, notes, rows = convert(book, "md", tmp_path)
    assert path.read_text().splitlines() == [
        *("## Sales", "", "| item | price | day |", "|---|---|---|"),
        *("| a \\| &lt;b&gt;<br>next | 0.3 | 2026-01-02 |", ""),
        *("## Städte - 2", "", "| city |", "|---|", "| 東京 |"),
    ]
    assert rows == 2 and notes == ["The sheet “Empty” is empty, and was left out."]
    html = convert(book, "html", tmp_path)[0].read_text()
    assert "<td>a | &lt;b&gt;<br>next</td><td class=number>0.3</td>" in html and html.count("<table>") == 2
    document = pypdfium2.PdfDocument(convert(book, "pdf", tmp_path, look="plain")[0])
    text = document[0].get_textpage().get_text_bounded()
    document.close()
    assert "a | <b>" in text and "東京" in text and "Städte - 2" in text


def test_a_chosen_sheet_stands_alone(book: Path, tmp_path: Path) -> None:
    path, _, rows = convert(book, "md", tmp_path, ReadOptions(sheet="2"))
    assert "東京" in path.read_text() and "Sales" not in path.read_text() and rows == 1


def test_each_sheet_is_a_file(book: Path, tmp_path: Path) -> None:
    path, notes, rows = convert(book, "csv", tmp_path, sheets="each", bom=False)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["Sales.csv", "Städte - 2.csv"]
        found = list(csv.reader(archive.read("Sales.csv").decode().splitlines(keepends=True)))
    assert found[1] == ["a | <b>\nnext", "0.3", "2026-01-02"] and rows == 2
    assert notes == ["The sheet “Empty” is empty, and was left out."]
    path, notes, _ = convert(book, "csv", tmp_path)
    assert path.suffix == ".csv" and "The option sheets=each converts all of them." in notes[0]


def test_what_a_pdf_has_no_room_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_documents, "MOST_CELLS", 20)
    source = tmp_path / "long.csv"
    source.write_text("a,b\n" + "\n".join(f"{number},x" for number in range(15)))
    _, notes, rows = convert(source, "pdf", tmp_path)
    assert rows == 10 and "Only the first 10 rows" in notes[0] and "5 rows were left out" in notes[0]


def test_a_table_without_rows_is_a_document_with_its_header(tmp_path: Path) -> None:
    source = tmp_path / "head.csv"
    source.write_text("a,b\n")
    for to in ("html", "md", "pdf"):
        assert convert(source, to, tmp_path)[2] == 0
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(BadInput):
        convert(tmp_path / "none.csv", "html", tmp_path)


def test_a_key_that_comes_late_is_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LOOKED_AT", {"json": 1_000})
    source = tmp_path / "late.jsonl"
    source.write_text(
        "".join(f'{{"n": {number}, "text": "{"x" * 50_000}"}}\n' for number in range(3)) + '{"late": 7}\n'
    )
    assert "a key that first comes later" in readers.describe_here(source, source.name).notes[0]
    path, notes, rows = convert(source, "csv", tmp_path)
    assert path.read_text("utf-8-sig").splitlines()[-1] == ",,7" and rows == 4 and notes == []


def test_a_query_says_which_keys_came_too_late(tmp_path: Path) -> None:
    late: Counter[str] = Counter()
    rows = [{"a": 1}, {"a": 2, "b": 3}]
    assert list(loading._watched(rows, frozenset({"a"}), late)) == rows
    assert loading._left_out(late) == ["Left out, because they first come late in the file: “b” (1 value)."]
