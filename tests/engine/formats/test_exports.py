from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.formats import exports, tables
from jobs.engine.formats.exports import workbook
from jobs.engine.sandbox.spawn import ROOT

COLUMNS = ["id", "text", "stars", "tags"]
ROWS = [
    {"id": 1, "text": 'Grüße, 世界 "quoted"\nsecond line', "stars": 4.5, "tags": ["a", "b"], "more": "left out"},
    {"id": 2, "text": None, "stars": None, "tags": None},
]


def exported(rows: list[dict[str, Any]], columns: list[str], format: str, folder: Path) -> Path:
    path = folder / f"out.{format}"
    path.write_bytes(b"".join(exports.export(iter(rows), columns, format)))
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, seen by the children too."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("format", "first", "second"),
    [
        ("csv", {"id": "1", "stars": "4.5", "tags": '["a", "b"]'}, {"id": "2", "text": "", "stars": "", "tags": ""}),
        ("jsonl", {"id": 1, "stars": 4.5, "tags": ["a", "b"]}, ROWS[1]),
        ("xlsx", {"id": 1, "stars": 4.5, "tags": '["a", "b"]'}, ROWS[1]),
        ("parquet", {"id": 1, "stars": 4.5, "tags": ["a", "b"]}, ROWS[1]),
    ],
)
def test_an_export_read_again_gives_the_same(
    format: str, first: dict, second: dict, tmp_path: Path, temporary: Path
) -> None:
    path = exported(ROWS, COLUMNS, format, tmp_path)

    assert list(tables.read(path, path.name)) == [
        {**first, "text": ROWS[0]["text"]} | {key: first[key] for key in first},
        second,
    ]
    assert tables.describe(path, path.name).format == format
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("format", exports.FORMATS)
def test_no_rows_still_make_a_file_of_that_format(format: str, tmp_path: Path) -> None:
    path = exported([], COLUMNS, format, tmp_path)
    if format == "jsonl":
        assert path.read_bytes() == b""
    else:
        assert tables.describe(path, path.name).columns == COLUMNS
        assert tables.describe(path, path.name).empty


@pytest.mark.parametrize(
    "formula", ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"]
)
def test_a_formula_is_text_in_every_format(formula: str, tmp_path: Path) -> None:
    text = exported([{formula: formula}], [formula], "csv", tmp_path).read_bytes().decode("utf-8-sig")
    [header, row] = csv.reader(io.StringIO(text, newline=""))
    assert header == row == ["'" + formula]

    import openpyxl

    sheet = openpyxl.load_workbook(exported([{"x": formula}], ["x"], "xlsx", tmp_path)).active
    assert sheet["A2"].data_type == "s"
    assert list(tables.read(exported([{"x": formula}], ["x"], "jsonl", tmp_path), "x.jsonl")) == [{"x": formula}]


@pytest.mark.parametrize("number", ["-3.5", "+49171", "-3,5", "-1e-5", -3.5, -7])
def test_a_plain_number_stays_one(number: str | float) -> None:
    assert exports.cell(number) == str(number)


@pytest.mark.parametrize("separator", [";", "\t", "\n"])
@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "-SUM(A1)", "@SUM(A1)", "＝1+1"])
def test_a_program_that_separates_cells_otherwise_finds_no_formula(
    separator: str, formula: str, tmp_path: Path
) -> None:
    rows = [{"a": "x", "b": f"y{separator}{formula}", "c": {"d": f"z{separator}{formula}"}}]
    written = b"".join(exports.export(rows, ["a", "b", "c"], "csv")).decode("utf-8-sig")
    for line in written.splitlines():
        for cell in re.split("[;\t]", line):
            assert not cell.strip(' "').startswith(formula[0]), written
    assert exports.without_apostrophes(exports.cell(rows[0]["b"])) == rows[0]["b"]


@pytest.mark.parametrize("text", ["a; b", "5;-3;+4", "x\n- one\n- two", "a-b", "x\n---\ny", "a\n\n====", "1;-2,5\n-7"])
def test_other_texts_are_not_touched(text: str) -> None:
    assert exports.cell(text) == text


def test_csv_begins_with_the_mark_that_spreadsheets_look_for(tmp_path: Path) -> None:
    assert exported(ROWS, COLUMNS, "csv", tmp_path).read_bytes().startswith(b"\xef\xbb\xbfid,text,")


@pytest.mark.parametrize("format", exports.FORMATS)
def test_values_that_are_not_json_come_out_as_something(format: str, tmp_path: Path) -> None:
    row = {
        "when": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "sum": Decimal("1.25"),
        "nan": float("nan"),
        "odd": "a\0b\ud800",
    }
    [back] = tables.read(exported([row], list(row), format, tmp_path), f"x.{format}")
    assert back["when"] == "2026-01-02T03:04:00+00:00"
    assert back["day"] == "2026-01-02"
    assert float(back["sum"]) == 1.25
    assert back["nan"] in (None, "")
    assert back["odd"].startswith("ab")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "back"),
    [
        ([None, 1, 2], [None, 1, 2]),
        ([1, 2.5], [1.0, 2.5]),
        ([True, None], [True, None]),
        ([None, None], [None, None]),
        ([1, "x"], ["1", "x"]),
        (["2026-01-01", "12"], ["2026-01-01", "12"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([[0.5, 1], [1, 2]], [[0.5, 1.0], [1.0, 2.0]]),
        ([["a"], None], [["a"], None]),
        ([[1, "a"], []], ['[1,"a"]', "[]"]),
        ([{"a": {"b": 1}}, {}], ['{"a":{"b":1}}', "{}"]),
    ],
)
def test_a_parquet_column_has_the_type_of_all_its_values(values: list[Any], back: list[Any], tmp_path: Path) -> None:
    path = exported([{"x": value} for value in values], ["x"], "parquet", tmp_path)
    found = [row["x"] for row in tables.read(path, path.name)]
    loose = [value.replace(" ", "") if isinstance(value, str) else value for value in found]
    assert loose == back
    assert [type(value) for value in found] == [type(value) for value in back]


def test_parquet_takes_names_that_sql_would_not(tmp_path: Path) -> None:
    names = ['a"b', "select", "x'; drop table t", "", "ü"]
    path = exported([dict.fromkeys(names, 1)], names[:3] + names[4:], "parquet", tmp_path)
    assert tables.describe(path, path.name).columns == ['a"b', "select", "x'; drop table t", "ü"]


@pytest.mark.parametrize(
    ("rows", "columns", "sentence"),
    [
        (iter([]), [f"c{n}" for n in range(16_385)], r"holds 16,384 columns, and these are 16,385"),
    ],
    ids=["columns"],
)
def test_what_a_spreadsheet_cannot_hold_is_refused(
    rows: Iterator[dict], columns: list[str], sentence: str, temporary: Path
) -> None:
    with pytest.raises(BadInput, match=sentence):
        next(exports.export(rows, columns, "xlsx"))
    assert list(temporary.iterdir()) == []


def test_a_text_too_long_for_a_cell_is_cut_and_said(tmp_path: Path) -> None:
    path = exported([{"x": "y" * 32_768}, {"x": "z"}], ["x"], "xlsx", tmp_path)
    book = openpyxl.load_workbook(path)
    assert book["Table"]["A2"].value == "y" * 32_766 + "…" and book["Table"]["A3"].value == "z"
    assert book["Notes"]["A1"].value == "Cut to 32,767 characters, the most of a cell: “x” in row 1, of 32,768."


SHORT_SHEET = """if True:
    import sys
    from pathlib import Path
    from jobs.engine.errors import BadInput
    from jobs.engine.formats.exports import workbook
    workbook.ROWS = 10
    try:
        workbook.write(["x"], [[1]] * int(sys.argv[1]), Path(sys.argv[2]))
    except BadInput as error:
        print(error.message)
"""


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path) -> None:
    """In a process of its own, where a sheet has ten rows: a million take their time."""
    said = []
    for rows in ("10", "11"):
        command = [sys.executable, "-c", SHORT_SHEET, rows, str(tmp_path / f"{rows}.xlsx")]
        said.append(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout)
    assert tables.count(tmp_path / "10.xlsx", "10.xlsx") == 10
    assert said == ["", "A spreadsheet holds 10 rows under its header, and these are more. " + workbook.INSTEAD + "\n"]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(BadInput, match="“exe” is none of them"):
        exports.export(iter([]), ["x"], "exe")


def endless() -> Iterator[dict[str, int]]:
    number = 0
    while True:
        yield {"x": (number := number + 1)}


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_bytes_come_before_the_rows_end(format: str) -> None:
    stream = exports.export(endless(), ["x"], format)
    assert len(next(stream)) > 1000
    stream.close()


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_a_reader_who_leaves_ends_the_child_and_its_files(format: str, temporary: Path) -> None:
    big = ({"x": os.urandom(500).hex()} for _ in range(1000))
    stream = exports.export(big, ["x"], format)
    next(stream)
    stream.close()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_rows_that_fail_end_the_child_and_its_files(format: str, temporary: Path) -> None:
    def failing() -> Iterator[dict[str, int]]:
        yield {"x": 1}
        raise LegworkError("The database went away.")

    with pytest.raises(LegworkError, match="went away"):
        list(exports.export(failing(), ["x"], format))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_a_child_whose_parent_is_killed_cleans_up(format: str, tmp_path: Path) -> None:
    code = f"""if True:
        import os, signal
        from jobs.engine.formats import exports
        def rows():
            for number in range(50_000):
                yield {{"x": number}}
            os.kill(os.getpid(), signal.SIGKILL)
        list(exports.export(rows(), ["x"], {format!r}))"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"TMPDIR": str(tmp_path)})
    assert killed.returncode == -9
    for _ in range(200):
        if not list(tmp_path.iterdir()):
            return
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


GEVENT = """if True:
    from gevent import monkey; monkey.patch_all()
    import gevent, json, sys
    from jobs.engine.formats import exports
    ticks = []
    ticker = gevent.spawn(lambda: [(ticks.append(1), gevent.sleep(0.01)) for _ in iter(int, 1)])
    def rows():
        for number in range(60_000):
            yield {"x": number, "y": "text"}
    size = sum(len(chunk) for chunk in exports.export(rows(), ["x", "y"], sys.argv[1]))
    print(json.dumps([size, len(ticks), sorted({"duckdb", "xlsxwriter", "openpyxl", "numpy"} & set(sys.modules))]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_under_gevent_others_are_served_meanwhile_and_nothing_heavy_is_loaded(format: str) -> None:
    done = subprocess.run([sys.executable, "-c", GEVENT, format], cwd=ROOT, capture_output=True, check=True, timeout=60)
    size, ticks, heavy = json.loads(done.stdout)
    assert size > 100_000
    assert ticks > 10
    assert heavy == []


MEMORY = """if True:
    import resource, sys
    from pathlib import Path
    from jobs.engine.formats import exports
    def peak():
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    base = peak()
    rows = ({"number": number, "text": "a text of some length", "share": number / 7} for number in range(int(sys.argv[2])))
    for chunk in exports.export(rows, ["number", "text", "share"], sys.argv[1]):
        pass
    print((peak() - base) // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "rows"), [("csv", 400_000), ("jsonl", 400_000), ("xlsx", 60_000), ("parquet", 400_000)]
)
def test_memory_does_not_grow_with_the_rows(format: str, rows: int) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, format, str(rows)], cwd=ROOT, capture_output=True, check=True)
    own, child = map(int, done.stdout.split())
    print(f"{format}: {own} MB more here, {child} MB in the child")
    assert own < 50
    assert child < 300
