"""The shapes in which people have their tables: titles, no header, ragged rows, comments, sheets, errors, formulas, nested JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import tables
from jobs.engine.formats.tables import ReadOptions, TableInfo, as_shown, unknown_cells
from jobs.engine.formats.tables.number_formats import shown

Read = Callable[..., tuple[TableInfo, list[list[Any]]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Describe and read a text or a path. The rows are the same with and without what the description found."""

    def reading(content: str | bytes | Path, name: str = "x.csv", **options: Any) -> tuple[TableInfo, list[list[Any]]]:
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        info = tables.describe_here(path, path.name, ReadOptions(**options))
        rows = list(tables.read_here(path, path.name, info.options))
        assert rows == list(tables.read_here(path, path.name, ReadOptions(**options)))
        assert not info.exact or info.rows == len(rows) == tables.count(path, path.name, info.options)
        return info, [[row.get(column) for column in info.columns] for row in rows]

    return reading


@pytest.mark.parametrize(
    ("content", "columns", "rows", "header", "note"),
    [
        (
            "Sales 2026\n\nregion,amount\nN,1\nS,2\n",
            ["region", "amount"],
            [["N", "1"], ["S", "2"]],
            3,
            "taken to be in line 3",
        ),
        ("Bank,X\nPeriod,May\nDate,Text,Amount\n1.5.,a,2\n2.5.,b,3\n", ["Date", "Text", "Amount"], 2, 3, "in line 3"),
        ("Cups,,\nTeam,Town,Cups\nBlues,STL,1\nFlyers,PHI,2\n", ["Team", "Town", "Cups"], 2, 2, "in line 2"),
        (
            "a,b\n1,2\n1,2,3\n",
            ["a", "b", "column 3"],
            [["1", "2", None], ["1", "2", "3"]],
            1,
            "Line 3 is wider than the header",
        ),
        ("a,b,c\n1\n", ["a", "b", "c"], [["1", None, None]], 1, ""),
        ("| a | b |\n|---|:-:|\n| 1 | x y |\n|  | 2 |\n", ["a", "b"], [["1", "x y"], ["", "2"]], 1, "line of dashes"),
        ("a | b\n--- | ---\n1 | 2\n", ["a", "b"], 1, 1, "line of dashes"),
        ("| a | b |\n| 1 | 2 |\n", ["a", "b"], [["1", "2"]], 1, ""),
        (
            "name   qty   price\nlamp   2     3.50\nshade  11    4.00\n",
            ["name", "qty", "price"],
            [["lamp", "2", "3.50"], ["shade", "11", "4.00"]],
            1,
            "lined up by blanks",
        ),
        (
            "name        qty Unit price\nNew York      2       3.50\nbulb        110   1,204.00\nx\n",
            ["name        qty Unit price"],
            3,
            1,
            "",
        ),
        (
            "name        qty Unit price\n----------  ---  ---------\nNew York      2       3.50\n"
            "bulb        110   1,204.00\n\nx     y       3\n",
            ["name", "qty", "Unit price"],
            [["New York", "2", "3.50"], ["bulb", "110", "1,204.00"], ["x     y", "3", ""]],
            1,
            "line of dashes",
        ),
        ("day time       by\nMo  08:00  10:00\n", ["day", "time", "by"], [["Mo", "08:00", "10:00"]], 1, "lined up"),
        ("remark\nfine  and  good\n", ["remark"], [["fine  and  good"]], 1, ""),
        ("a|b\n--|--\n--|--\n", ["a", "b"], 0, 1, "line of dashes"),
        ("a;b;c\n1;2\n1;2;3;4\n", ["a", "b", "c", "column 4"], 2, 1, "Line 3 is wider than the header"),
        (
            "id,amount,amount\n1,2,3\n",
            ["id", "amount", "amount 2"],
            [["1", "2", "3"]],
            1,
            "the same name more than once",
        ),
        ("a,a,a 2\n1,2,3\n", ["a", "a 3", "a 2"], [["1", "2", "3"]], 1, "numbered"),
        ("sep=;\r\na;b\r\n1,5;2\r\n", ["a", "b"], [["1,5", "2"]], 2, ""),
        ("sep=\t\na\tb\n1\t2\n", ["a", "b"], [["1", "2"]], 2, ""),
        ("remark\nfine\nslow, but good\n", ["remark"], [["fine"], ["slow, but good"]], 1, ""),
        ("comment\nLovely, thanks\nLate, and rude\nOk, or so\n", ["comment"], 3, 1, ""),
        (
            "# made by x, y and z\n# 2026\na,b,c,d\n1,2,3,4\n# end\n",
            ["a", "b", "c", "d"],
            [["1", "2", "3", "4"]],
            3,
            "comments",
        ),
        ("#chrom\tstart\nchr1\t5\n", ["#chrom", "start"], [["chr1", "5"]], 1, ""),
        ("tag\n#one\n#two\n", ["tag"], [["#one"], ["#two"]], 1, ""),
        ('id,t\n1,"a \\"b\\", c"\n2,d\n', ["id", "t"], [["1", 'a "b", c'], ["2", "d"]], 1, "backslash"),
        ('id,t\n1,"C:\\"\n2,"D:\\x"\n', ["id", "t"], [["1", "C:\\"], ["2", "D:\\x"]], 1, ""),
        ("id,t\n1,'a, b'\n2,'c, d'\n", ["id", "t"], [["1", "a, b"], ["2", "c, d"]], 1, "single quotes"),
        ("name,town\nO'Neil,Rome\nd'Or,Nice\n", ["name", "town"], 2, 1, ""),
        ("\n\n ,\na,b\n1,2\n", ["a", "b"], [["1", "2"]], 4, ""),
        ("year,2019,2020\nN,1,2\n", ["year", "2019", "2020"], [["N", "1", "2"]], 1, ""),
        ("name,mail\nAda,a@x\nBo,b@x\n", ["name", "mail"], 2, 1, ""),
    ],
)
def test_texts_as_programs_and_people_write_them(
    read: Read, content: str, columns: list[str], rows: Any, header: int, note: str
) -> None:
    info, found = read(content)
    assert (info.columns, info.header_row) == (columns, header)
    assert found == rows or len(found) == rows
    assert note in " ".join(info.notes) if note else not info.notes


def test_what_was_found_can_be_chosen(read: Read) -> None:
    text = "Sales\na,b\n1,2\n3,4\nsum,6\n"
    assert read(text, header_row="none")[0].columns == ["column 1", "column 2"]
    assert read(text, header_row="none")[1][0] == ["Sales", None]
    assert read(text, header_row="3")[0].columns == ["1", "2"]
    assert read(text, cells="2:4")[1] == [["1", "2"], ["3", "4"]]
    assert read(text, cells="B2:B4")[1] == [["2"], ["4"]]
    assert read("a;b,c\n1;2,3\n", delimiter="none")[0].columns == ["a;b,c"]
    assert read("a\tb\n", delimiter="tab")[0].columns == ["a", "b"]
    for wrong, sentence in (
        ({"header_row": "0"}, "cannot be the header row"),
        ({"header_row": "70"}, "There is nothing in line 70"),
        ({"cells": "5:2"}, "ends before it begins"),
        ({"cells": "B3"}, "not a range of cells"),
        ({"cells": ":"}, "not a range of cells"),
    ):
        with pytest.raises(BadInput, match=sentence):
            read(text, **wrong)


@pytest.mark.parametrize("late", [151, 30_001])
def test_a_key_that_comes_late_is_a_column(read: Read, late: int) -> None:
    lines = [json.dumps({"n": n}) for n in range(late)] + ['{"n": 0, "discount": "half"}']
    for name, text in (("x.jsonl", "\n".join(lines)), ("x.json", f"[{','.join(lines)}]")):
        info, rows = read(text, name)
        assert (info.columns, rows[-1]) == (["n", "discount"], [0, "half"])


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        ('{"meta": {"n": 2}, "data": [{"a": 1}, {"a": 2, "b": 3}]}', ["a", "b"], [[1, None], [2, 3]]),
        ('{"response": {"docs": [{"a": 1}]}, "more": [{"z": 1}]}', ["a"], [[1]]),
        ('{"a": [1, 2], "b": ["x", null]}', ["a", "b"], [[1, "x"], [2, None]]),
        ('{"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": 4}}', ["a", "b"], [[1, 3], [2, 4]]),
        ('{"ann": {"age": 3}, "bob": {"age": 4}}', ["key", "age"], [["ann", 3], ["bob", 4]]),
        ('{"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}', ["a", "b"], [[1, 2], [3, 4]]),
        ('[["a", "b"], [1, 2], [3, 4]]', ["a", "b"], [[1, 2], [3, 4]]),
        ("[[1, 2], [3, 4]]", ["column 1", "column 2"], [[1, 2], [3, 4]]),
        ("[1, 2]", ["value"], [[1], [2]]),
        ('{"a": 1,\n "b": [2]}', ["a", "b"], [[1, [2]]]),
        ('{"a": 1}{"a": 2} {"a": 3}\n{"a":\n4}\n', ["a"], [[1], [2], [3], [4]]),
        ('\ufeff[{"a": NaN, "b": Infinity}]', ["a", "b"], [[None, None]]),
        (
            '{"type": "FeatureCollection", "features": [{"type": "Feature", "id": 7, "properties": {"n": "x"}, "geometry": null}]}',
            ["n", "id", "geometry"],
            [["x", 7, None]],
        ),
    ],
)
def test_json_in_its_usual_shapes(read: Read, content: str, columns: list[str], rows: list[list[Any]]) -> None:
    for content_of in (content, content.replace("\n", "\r\n")):
        info, found = read(content_of, "x.json")
        assert (info.columns, found) == (columns, rows)


# Workbooks


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    def write(change: Callable[[Any, Any], None], name: str = "book.xlsx") -> Path:
        import xlsxwriter

        with xlsxwriter.Workbook(tmp_path / name) as made:
            change(made, made.add_worksheet("First"))
        return tmp_path / name

    return write


def _kinds(made: Any, sheet: Any) -> None:
    def like(code: str) -> Any:
        return made.add_format({"num_format": code})

    sheet.write_row(0, 0, ["share", "sum", "hours", "paid", "due", "broken", "id", "plain"])
    sheet.write_number(1, 0, 0.15, like("0 %"))
    sheet.write_formula(1, 1, "=1.1*3", like("0.00"), 3.3000000000000003)
    sheet.write_number(1, 2, 32.25 / 24, like("[h]:mm"))
    sheet.write_boolean(1, 3, True)
    sheet.write_datetime(1, 4, datetime(2026, 3, 5, 14, 30), like("dd.mm.yyyy hh:mm"))
    sheet.write_formula(1, 5, "=NA()", None, "#N/A")
    sheet.write_number(1, 6, 4915112345678)
    sheet.write_string(1, 7, "a_x000D_b")


def test_cells_have_their_values_and_what_the_sheet_shows(read: Read, book: Callable[..., Path]) -> None:
    path = book(_kinds)
    info, [values] = read(path)
    [row] = tables.read(path, path.name)  # out of a child
    assert values == [0.15, 3.3000000000000003, "32:15:00", True, "2026-03-05T14:30:00", None, 4915112345678, "a\rb"]
    assert list(as_shown(row).values()) == [
        "15 %",
        "3.30",
        "32:15",
        "TRUE",
        "05.03.2026 14:30",
        None,
        4915112345678,
        "a\rb",
    ]
    assert (dict(row), unknown_cells(row)) == (dict(zip(info.columns, values, strict=True)), {"broken": "#N/A"})
    assert info.first_shown[0]["hours"] == "32:15"
    assert info.notes == ["1 cell of “broken” holds #N/A and was read as empty."]


def test_formulas_that_were_never_computed_are_told(read: Read, tmp_path: Path) -> None:
    import openpyxl

    made = openpyxl.Workbook()
    for row in (["item", "total"], ["pen", "=1+2"], ["cup", "=2+3"]):
        made.active.append(row)
    made.save(tmp_path / "x.xlsx")
    info, rows = read(tmp_path / "x.xlsx")
    notes: list[str] = []
    list(tables.read(tmp_path / "x.xlsx", "x.xlsx", info.options, notes))
    said = "2 cells of “total” hold formulas that were never computed and were read as empty. "
    assert rows == [["pen", None], ["cup", None]]
    assert info.notes == notes == [f"{said}Open the file in a spreadsheet program and save it."]


def test_the_first_sheet_that_can_be_seen_and_has_cells_is_taken(read: Read, book: Callable[..., Path]) -> None:
    def change(made: Any, first: Any) -> None:
        names = made.add_worksheet("Codes"), made.add_worksheet("Data"), made.add_worksheet("More")
        names[0].write_column(0, 0, ["hidden", 1])
        names[1].write_column(0, 0, ["seen", 2])
        names[2].write_column(0, 0, ["more", 3])
        names[1].activate()
        names[1].set_first_sheet()
        names[0].hide()

    path = book(change)
    info, rows = read(path)
    assert (info.sheet, info.sheets, rows) == ("Data", ["First", "Data", "More"], [[2]])
    assert info.notes == ["The sheet “Data” was read. Others in this workbook: “First”, “More”."]
    for sheet, value in (("More", 3), ("more ", 3), ("4", 3), ("Codes", 1)):
        assert read(path, sheet=sheet)[1] == [[value]]
    with pytest.raises(BadInput, match="There is no sheet “Nope” in this workbook"):
        read(path, sheet="Nope")


def test_titles_ranges_and_merged_cells_of_a_sheet(read: Read, book: Callable[..., Path]) -> None:
    def change(made: Any, sheet: Any) -> None:
        sheet.merge_range("A1:C1", "Sales of May")
        sheet.write_row(2, 0, ["region", "town", "amount"])
        sheet.merge_range("A4:A5", "North")
        sheet.merge_range("C4:C5", 7)
        sheet.write_column(3, 1, ["Oslo", "Bergen", "Rome"])
        sheet.write(5, 0, "South")
        sheet.write(5, 3, "a note beside")

    info, rows = read(book(change))
    assert (info.header_row, info.columns) == (3, ["region", "town", "amount", "column 4"])
    assert rows == [
        ["North", "Oslo", 7, None],
        ["North", "Bergen", None, None],
        ["South", "Rome", None, "a note beside"],
    ]
    assert [note.split(":")[0] for note in info.notes] == [
        "2 merged cells span several rows",
        "The header was taken to be in row 3; what stands above it was left out.",
        "Row 6 is wider than the header; what is too much is in “column 4”.",
    ]
    assert read(book(change), cells="A3:B5")[1] == [["North", "Oslo"], ["North", "Bergen"]]


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        (0.15, "0%", "15%"),
        (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (0, '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)', "-"),
        (1234567, '0.0,,"M"', "1.2M"),
        (12345, "0.00E+00", "1.23E+04"),
        (123456789, "000-00-0000", "123-45-6789"),
        (7, "000", "007"),
        (0.5, "# ?/?", None),
        (2.5, "0", "3"),
        (12, "General", None),
        (datetime(2026, 3, 5, 14, 5, 9, tzinfo=UTC), "h:mm AM/PM", "2:05 PM"),
        (datetime(2026, 3, 5, tzinfo=UTC), "dddd, d mmmm yyyy", "Thursday, 5 March 2026"),
        (timedelta(seconds=75), "mm:ss", "01:15"),
        (timedelta(hours=-2), "[h]:mm", "-2:00"),
    ],
)
def test_numbers_are_written_as_their_format_says(value: object, code: str, said: str | None) -> None:
    assert shown(value, code) == said


def test_an_open_document_sheet_is_read_with_what_it_shows(read: Read, tmp_path: Path) -> None:
    import zipfile

    cell = '<table:table-cell office:value-type="{0}" {1}><text:p>{2}</text:p></table:table-cell>'
    rows = (
        ("string", "", "share"),
        ("percentage", 'office:value="0.15"', "15 %"),
        ("string", 'calcext:value-type="error" table:formula="of:=NA()"', "#N/A"),
    )
    body = "".join(f"<table:table-row>{cell.format(*row)}</table:table-row>" for row in rows)
    repeated = '<table:table-row table:number-rows-repeated="1048570"><table:table-cell/></table:table-row>'
    names = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "table", "text", "style")
    )
    calc = ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    hidden = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    sheets = f'<table:table table:name="No" table:style-name="h">{body}</table:table><table:table table:name="Yes">{body}{repeated}'
    with zipfile.ZipFile(tmp_path / "x.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "content.xml",
            f"<office:document-content{names}{calc}>{hidden}{sheets}</table:table></office:document-content>",
        )
    info, found = read(tmp_path / "x.ods")
    assert (info.format, info.sheet, found, info.first_shown[0]) == ("ods", "Yes", [[0.15], [None]], {"share": "15 %"})
    assert info.notes == ["1 cell of “share” holds #N/A and was read as empty."]
