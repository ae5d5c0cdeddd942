from __future__ import annotations

import base64
import csv
import json
import random
import resource
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import exports, tables
from jobs.engine.formats.tables import ReadOptions, TableInfo, texts
from jobs.engine.formats.text_templates import parse_template
from jobs.engine.sandbox.spawn import ROOT

Write = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def workbook(tmp_path: Path) -> Write:
    def write(rows: list[list[Any]], name: str = "book.xlsx") -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    def write(select: str) -> Path:
        import duckdb

        duckdb.connect().execute(f"copy ({select}) to '{tmp_path / 'x.parquet'}' (format parquet)")
        return tmp_path / "x.parquet"

    return write


def rows_of(path: Path, **options: Any) -> list[dict[str, Any]]:
    return list(tables.read(path, path.name, ReadOptions(**options)))


def refused(path: Path, sentence: str, read: bool = True, **options: Any) -> None:
    """The description says this, and the reading."""
    for look in (tables.describe, *([lambda *args: list(tables.read(*args))] if read else ())):
        with pytest.raises(BadInput, match=sentence):
            look(path, path.name, ReadOptions(**options))


# Tables that others made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "format", "columns", "rows"),
    [
        ("seattle-weather.csv", "csv", ["date", "precipitation", "temp_max", "temp_min", "wind", "weather"], 1461),
        ("stocks.csv", "csv", ["symbol", "date", "price"], 560),
        ("unemployment.tsv", "tsv", ["id", "rate"], 3218),
        ("zipcodes.csv", "csv", ["zip_code", "latitude", "longitude", "city", "state", "county"], 42049),
        ("cars.json", "json", None, 406),
        ("movies.json", "json", None, 3201),
        ("jobs.json", "json", None, 7650),
        ("us-10m.json", "json", ["type", "arcs", "id"], 3641),
        ("flights-3m.parquet", "parquet", ["date", "delay", "distance", "origin", "destination"], 3_000_000),
    ],
)
def test_tables_that_others_made(vega: Path, name: str, format: str, columns: list[str] | None, rows: int) -> None:
    info = tables.describe(vega / name, name)

    assert info.format == format
    assert columns is None or info.columns == columns
    assert info.rows == rows if info.exact else abs(info.rows - rows) < rows * 0.02
    assert tables.count(vega / name, name) == rows
    assert TableInfo.from_json(json.loads(json.dumps(info.as_json()))) == info


@pytest.mark.parametrize(
    "name", ["airports.csv", "birdstrikes.csv", "disasters.csv", "github.csv", "us-employment.csv", "weather.csv"]
)
def test_csv_is_read_as_the_standard_library_reads_it(vega: Path, name: str) -> None:
    with (vega / name).open(encoding="utf-8-sig", newline="") as opened:
        assert rows_of(vega / name) == list(csv.DictReader(opened))


@pytest.mark.parametrize("name", ["movies.json", "football.json", "flare.json", "political-contributions.json"])
def test_a_json_list_is_read_as_the_standard_library_reads_it(vega: Path, name: str) -> None:
    assert rows_of(vega / name) == json.loads((vega / name).read_bytes())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("7zip.png", "This is an image"),
        ("flights-200k.arrow", "an Arrow"),
    ],
)
def test_what_is_no_table_among_them_is_refused(vega: Path, name: str, said: str) -> None:
    refused(vega / name, said)


# Text: encodings, delimiters, quotes


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found(file: Write, encoding: str, said: str, delimiter: str) -> None:
    text = 'Name,Straße\nAnna,„Müller“\nÉmile,"a{0}b"\n'.replace(",", delimiter).replace("{0}", delimiter)
    path = file("x.csv", text.encode(encoding))

    info = tables.describe(path, path.name)

    assert (info.encoding, info.delimiter, info.columns, info.rows, info.exact) == (
        said,
        delimiter,
        ["Name", "Straße"],
        2,
        True,
    )
    assert (
        rows_of(path)
        == info.first
        == [{"Name": "Anna", "Straße": "„Müller“"}, {"Name": "Émile", "Straße": f"a{delimiter}b"}]
    )


def test_an_odd_letter_past_the_first_megabyte_is_still_seen(file: Write) -> None:
    path = file("late.csv", b"a,b\n" + b"12345678,2\n" * 100_000 + "é,1\n".encode("cp1252"))
    assert tables.describe(path, path.name).encoding == "cp1252"
    assert list(tables.read(path, path.name))[-1] == {"a": "é", "b": "1"}


def test_what_was_detected_can_be_overridden(file: Write) -> None:
    path = file("x.csv", "a;b,c\n1;é,3\n".encode())
    assert rows_of(path, delimiter=",", encoding="latin-1") == [{"a;b": "1;Ã©", "c": "3"}]
    assert tables.describe(path, path.name, ReadOptions(delimiter=";")).columns == ["a", "b,c"]
    assert tables.count(path, path.name, ReadOptions(delimiter=";", encoding="cp1252")) == 1


@pytest.mark.parametrize("encoding", ["utf-99", "hex", "zlib", "idna", "unicode_escape", "../x", "a\0b"])
def test_an_encoding_that_is_none_is_refused(file: Write, encoding: str) -> None:
    refused(file("x.csv", "a,b\n1,2\n"), "not an encoding", encoding=encoding)


@pytest.mark.parametrize("delimiter", ["ab", '"', "\n", "x", "\0"])
def test_a_delimiter_that_is_none_is_refused(file: Write, delimiter: str) -> None:
    refused(file("x.csv", "a,b\n1,2\n"), "cannot be the delimiter", delimiter=delimiter)


def test_a_wrong_encoding_is_named_with_its_line(file: Write) -> None:
    refused(file("x.csv", b"a,b\n1,2\n\xff,3\n"), "near line 3 is not written in utf-8", encoding="utf-8")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_quotes_hold_lines_and_quotes(file: Write, ending: str) -> None:
    path = file("x.csv", f'a,b{ending}"one{ending}two","say ""hi"""{ending}{ending}3,5" pipe{ending}')
    assert rows_of(path) == [{"a": f"one{ending}two", "b": 'say "hi"'}, {"a": "3", "b": '5" pipe'}]
    assert tables.count(path, path.name) == 2


@pytest.mark.parametrize("rest", ["1,2\n" * 3, "1,2\n" * 500_000, '"x","y"\n' * 10])
def test_a_quote_that_is_not_closed_is_named_with_its_line(file: Write, rest: str) -> None:
    refused(file("x.csv", 'a,b\n"fine\nso far",2\n3,"lost\n' + rest), "A quote opens in line 4 and is not closed")


def test_a_huge_field_is_named_with_its_line(file: Write) -> None:
    assert len(rows_of(file("x.csv", "a,b\n1," + "x" * 1_000_000 + "\n"))[0]["b"]) == 1_000_000
    refused(file("y.csv", "a,b\n1,2\n1," + "x" * 1_000_001 + "\n"), "Line 3 has a field of more than 1,000,000")
    refused(file("z.csv", "a,b\n1,2\n" + "x" * 17_000_000), "Line 3 has a field of more than 1,000,000")
    refused(file("h.csv", "x" * 17_000_000), "Line 1 has a field of more than 1,000,000")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_the_beginning_of_a_long_file_is_enough(encoding: str, file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it ends: within a letter, a record or a line."""
    text = 'näme,b\n1,"two\nlines ""é"" x"\n' + "3,é\n" * 1_000
    path = file("x.csv", text.encode(encoding))
    for most in (*range(1, 60), 1_000, 3_001):
        monkeypatch.setattr(texts, "LOOKED_AT", {"csv": most})
        info = tables.describe_here(path, "x.csv")
        assert (info.columns, info.exact) == (["näme", "b"], False)
        assert info.rows is not None and (most < 1_000 or abs(info.rows - 1_001) < 120)


def test_an_inexact_description_of_each_text_format_is_close(file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LOOKED_AT", {"json": 1_000_000})
    row = {"id": 1, "text": "é" * 40, "nested": {"a": [1, 2]}}
    line = json.dumps(row, ensure_ascii=False)
    for name, content in (("x.jsonl", (line + "\n") * 20_000), ("x.json", "[" + ",".join([line] * 20_000) + "]")):
        info = tables.describe_here(file(name, content), name)
        assert (info.exact, info.columns) == (False, list(row))
        assert abs(info.rows - 20_000) < 200


# Headers and widths


def test_names_are_trimmed_and_empty_ones_numbered(file: Write) -> None:
    assert tables.describe(file("x.csv", "\ufeff email , ,\n1,2,3\n"), "x.csv").columns == [
        "email",
        "column 2",
        "column 3",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"\xff\xfe", "The file is empty"),
        (b" \r\n\t\n", "The file is empty"),
        (",".join(f"c{n}" for n in range(2_001)), "2,001 columns; 2,000 is the most"),
        (b"a,b\n1,\0\n", "NUL"),
        (b"a,b\n" + b"1,2\n" * 2000 + b"1,\0\n", "Line 2,002 has a NUL byte"),
        (bytes(range(1, 9)) * 100, "This is not text"),
    ],
)
def test_broken_text_is_refused_in_words(file: Write, content: str | bytes, sentence: str) -> None:
    refused(file("x.csv", content), sentence)


def test_missing_fields_are_null_and_empty_surplus_is_let_be(file: Write) -> None:
    assert rows_of(file("x.csv", "a,b,c\n1\n1,2,3,,\n,,\n")) == [
        {"a": "1", "b": None, "c": None},
        {"a": "1", "b": "2", "c": "3"},
        {"a": "", "b": "", "c": ""},
    ]


def test_a_header_alone_says_so(file: Write) -> None:
    info = tables.describe(file("x.csv", "a,b\n"), "x.csv")
    assert (info.columns, info.rows, info.empty, info.first) == (["a", "b"], 0, True, [])


def test_one_column_is_a_table(file: Write) -> None:
    assert rows_of(file("x.csv", "mail\na@example.org\n\nb@example.org\n")) == [
        {"mail": "a@example.org"},
        {"mail": "b@example.org"},
    ]


def test_long_values_are_cut_in_the_description_only(file: Write) -> None:
    path = file("x.csv", "a,b\n" + ("x" * 50_000 + ",2\n") * 12)
    first = tables.describe(path, "x.csv").first
    assert len(first) == 10
    assert all(len(row["a"]) == 2_001 and row["a"].endswith("…") for row in first)
    assert len(rows_of(path)[0]["a"]) == 50_000


# What a file is, whatever its name


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"MZ\x90\0\x03\0\0\0", "a program"),
        (b"\x7fELF\x02", "a program"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"\xff\xd8\xff\xe0", "an image"),
        (b"<!DOCTYPE html><table>", "an HTML or XML page"),
        (b"\n<svg xmlns=''>", "an HTML or XML page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "an HTML or XML page"),
        (b"\x1f\x8b\x08\0", "a compressed archive"),
        (b"SQLite format 3\0", "an SQLite database"),
    ],
)
def test_other_things_are_named(file: Write, content: bytes, what: str) -> None:
    refused(
        file("table.csv", content),
        f"This is {what}.* A table is taken as CSV, TSV, JSON, JSON Lines, XLSX, XLS, XLSB, ODS or Parquet",
    )


@pytest.mark.parametrize(
    ("part", "what"),
    [("word/document.xml", "a Word document"), ("a.csv", "a ZIP archive"), ("ppt/x.xml", "a PowerPoint")],
)
def test_other_archives_are_named(tmp_path: Path, part: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as archive:
        archive.writestr(part, "x")
    refused(tmp_path / "x.xlsx", f"This is {what}")


def test_the_content_decides_not_the_name(file: Write, workbook: Write) -> None:
    assert tables.describe(workbook([["a"], [1]], "x.csv"), "x.csv").format == "xlsx"
    assert tables.describe(file("y.csv", '{"a": 1}\n'), "y.csv").format == "jsonl"
    assert tables.describe(file("y.txt", '[{"a": 1}]'), "y.txt").format == "json"
    assert tables.describe(file("z.xlsx", "a,b\n1,2\n"), "z.xlsx").format == "csv"
    assert tables.describe(file("z.csv", "MZ,b\n1,2\n"), "z.csv").columns == ["MZ", "b"]


# JSON


def test_json_keeps_types_and_later_keys(file: Write) -> None:
    path = file("x.jsonl", '{"a": 1, "b": {"c": [true, null]}}\n\n{"a": 1.5, "d": "é"}\n')
    assert tables.describe(path, "x.jsonl").columns == ["a", "b", "d"]
    assert rows_of(path) == [{"a": 1, "b": {"c": [True, None]}}, {"a": 1.5, "d": "é"}]
    assert tables.count(path, "x.jsonl") == 2


@pytest.mark.parametrize(("name", "form"), [("x.jsonl", "{}\n"), ("x.json", "[{}]")])
def test_json_values_fit_into_postgres(file: Write, name: str, form: str) -> None:
    [row] = rows_of(
        file(
            name,
            form.replace("{}", r'{"a": NaN, "b": -Infinity, "c": 1e999, "d": "x\u0000y\ud800z", "k\u0000": [NaN]}'),
        )
    )
    assert row == {"a": None, "b": None, "c": None, "d": row["d"], "k": [None]}
    assert "\0" not in row["d"]
    row["d"].encode()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.jsonl", '{"a": 1}\n{"a": \n', r"Line 2 is not JSON: expecting value at character \d+"),
        ("x.jsonl", '{"a": 1}\n[1]\n', "Line 2 holds a list; each row of a table must be an object"),
        ("x.jsonl", '{"a": 1}\n"x"\n', "Line 2 holds a text"),
        ("x.jsonl", '{"a": ' + "9" * 5000 + "}\n", "Line 1 has a number too long"),
        ("x.jsonl", '{"a": ' + "[" * 200_000 + "}\n", "Line 1 has a number too long, or values nested too deep"),
        ("x.jsonl", '{"a": "' + "x" * 16_000_000 + '"}\n', "Line 1 is longer than 16,000,000"),
        ("x.json", '[\n{"a": 1},\n{"a": }\n]', "Line 3 is not JSON: expecting value"),
        ("x.json", '[{"a": 1},\n2]', "The entry in line 2 holds a number"),
        ("x.json", '[{"a": 1}', "Line 1: the end of the file stands where"),
        ("x.json", '[{"a": 1} {"a": 2}]', "“{” stands where “,” or “]” should"),
        ("x.json", '[{"a": 1}]\n[]', "After the end of the list, in line 2"),
        ("x.json", '[{"a": 1},\n{"a": "' + "x" * 17_000_000, "Line 2 is not JSON"),
    ],
)
def test_broken_json_is_named_with_its_line(file: Write, name: str, content: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        list(tables.read(file(name, content), name))


def test_json_without_a_named_value_is_refused(file: Write) -> None:
    for name, content in (("x.json", "[]"), ("x.jsonl", "{}\n")):
        with pytest.raises(BadInput, match="not one row"):
            tables.describe(file(name, content), name)


def test_json_objects_wider_than_a_window_are_read(file: Write) -> None:
    objects = [{"a": "x" * size} for size in (1, 300_000, 2, 1_500_000, 3)]
    assert rows_of(file("x.json", json.dumps(objects))) == objects
    assert rows_of(file("y.jsonl", "".join(json.dumps(each) + "\n" for each in objects))) == objects
    assert tables.describe(file("z.jsonl", json.dumps(objects[3]) + "\n" + "{}\n" * 1_000), "z.jsonl").columns == ["a"]


# Workbooks and Parquet


def test_a_workbook_gives_values_that_fit_into_json(workbook: Write) -> None:
    path = workbook(
        [
            [None, None],
            ["day", "at", "n", "text", None],
            [date(2026, 1, 2), datetime(2026, 1, 2, 3, 4), 1, "é", None],
            [],
            [time(1, 2), 2.5, True],
        ]
    )
    assert rows_of(path) == [
        {"day": "2026-01-02", "at": "2026-01-02T03:04:00", "n": 1, "text": "é"},
        {"day": "01:02:00", "at": 2.5, "n": True, "text": None},
    ]
    info = tables.describe(path, path.name)
    assert (info.format, info.columns, info.rows, info.exact) == ("xlsx", ["day", "at", "n", "text"], 2, True)
    assert (info.first, tables.count(path, path.name)) == (rows_of(path), 2)


@pytest.mark.slow
def test_a_long_workbook_is_described_by_its_beginning(workbook: Write) -> None:
    path = workbook([[f"c{n}" for n in range(1_000)]] + [[1] * 1_000] * 250)
    info = tables.describe(path, path.name)
    assert (info.rows, info.exact) == (250, False)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "All sheets of this workbook are empty"),
        ([["a"], [1], [1] * 2_001], "2,001 columns; 2,000 is the most"),
    ],
)
def test_a_broken_sheet_is_refused_in_words(workbook: Write, rows: list, sentence: str) -> None:
    refused(workbook(rows), sentence)


def test_damaged_and_bursting_workbooks_are_refused(workbook: Write, tmp_path: Path) -> None:
    whole = workbook([["a"], *[[n] for n in range(2000)]]).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.xlsx", "cut off or damaged")

    with zipfile.ZipFile(tmp_path / "nonsense.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<nonsense")
    refused(tmp_path / "nonsense.xlsx", "The workbook cannot be read")

    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 50_000_000)
    refused(tmp_path / "bomb.xlsx", "times its size, over the limit")


def test_parquet_gives_values_that_fit_into_json(parquet: Write) -> None:
    path = parquet("""select 1::bigint as n, 1.25::decimal(9,2) as d, 3::decimal(9,2) as w, date '2026-01-02' as day,
        timestamp '2026-01-02 03:04:05' as at, 'nan'::double as nan, 'é' as t, '\\x00\\xff'::blob as b, [1.5, null] as l,
        {'a': date '2026-01-02'} as s, map {'k': 1} as m, 
        uuid '00000000-0000-0000-0000-000000000001' as u, null::int as nil, true as yes""")
    [row] = rows_of(path)
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        **{
            "n": 1,
            "d": 1.25,
            "w": 3,
            "day": "2026-01-02",
            "at": "2026-01-02T03:04:05",
            "nan": None,
            "t": "é",
            "b": "AP8=",
        },
        **{
            "l": [1.5, None],
            "s": {"a": "2026-01-02"},
            "m": {"k": 1},
            "u": "00000000-0000-0000-0000-000000000001",
            "nil": None,
            "yes": True,
        },
    }
    info = tables.describe(path, path.name)
    assert info.first == [row]
    assert parse_template("{d} {w}").render(row) == "1.25 3.00" and info.first_shown[0]["w"] == "3.00"


def test_a_parquet_file_cut_off_is_refused(parquet: Write, tmp_path: Path) -> None:
    content = parquet("select range as n from range(1000)").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[:-10])
    refused(tmp_path / "cut.parquet", "cut off or damaged")


def test_a_path_with_wildcards_is_only_itself(parquet: Write, tmp_path: Path) -> None:
    path = parquet("select 1 as n").rename(tmp_path / "[x]*?.parquet")
    assert rows_of(path) == [{"n": 1}]


# What it costs


def test_describing_loads_nothing_heavy(workbook: Write, parquet: Write) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from jobs.engine.formats import tables
        for path in map(Path, sys.argv[1:]):
            assert tables.describe(path, path.name).rows == 1
        sys.exit(",".join({"duckdb", "openpyxl", "numpy"} & set(sys.modules)) or 0)"""
    paths = [workbook([["a"], [1]]), parquet("select 1 as n")]
    subprocess.run([sys.executable, "-c", code, *map(str, paths)], cwd=ROOT, check=True)


READ = """if True:
    import sys
    from pathlib import Path
    from jobs.engine.formats import tables
    def peak():
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    path, base = Path(sys.argv[1]), peak()
    rows = sum(1 for _ in tables.read(path, path.name))
    print(rows, tables.count(path, path.name), (peak() - base) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl", "json"])
def test_a_million_rows_are_read_in_constant_memory(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"million.{format}"
    options = {"csv": "csv", "jsonl": "json", "json": "json, array true"}[format]
    import duckdb

    columns = "range as id, 'some text for row ' || range as text, range / 7 as share"
    duckdb.connect().execute(f"copy (select {columns} from range(1000000)) to '{path}' (format {options})")
    _read_lightly(path, 1_000_000)


@pytest.mark.slow
def test_three_million_rows_that_others_made_are_read_in_constant_memory(vega: Path) -> None:
    _read_lightly(vega / "flights-3m.parquet", 3_000_000)


def _read_lightly(path: Path, rows: int) -> None:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, check=True)
    read, counted, grown = map(int, done.stdout.split())
    print(f"{path.name}: {grown} MB more at the peak")
    assert read == counted == rows
    assert grown < 300


# Files made to take long: of n parts.
WORST: dict[str, Callable[[int], str | bytes]] = {
    "short lines.csv": lambda n: "a\n" * n,
    "records of two lines.csv": lambda n: "a\n" + '"x\ny"\n' * n,
    "a quote never closed.csv": lambda n: 'a,b\n"' + "x\n" * n,
    "quotes.csv": lambda n: "a,b\n" + '"' * (2 * n),
    "quotes in fields.csv": lambda n: "a\n" + 'x"y"\n' * n,
    "separators.csv": lambda n: ";,\t|" * (n // 4),
    "columns.csv": lambda n: ",".join(map(str, range(n // 100))) + "\n1\n",
    "one name for all columns.csv": lambda n: "name," * (n // 100) + "\n",
    "not quite utf-8.csv": lambda n: b"a\n" + b"\xc3\xa9\n" * n + b"\xff\n",
    "keys of an object.jsonl": lambda n: json.dumps(dict.fromkeys(map(str, range(n)), 1)) + "\n",
    "keys of many objects.jsonl": lambda n: "".join(
        json.dumps({f"{line}.{place}": 1 for place in range(n // 100)}) + "\n" for line in range(100)
    ),
    "one key twice.jsonl": lambda n: "{" + '"a": 1, ' * n + '"a": 1}\n',
    "empty objects.jsonl": lambda n: "{}\n" * n,
    "blank lines.jsonl": lambda n: "\n" * n + "{}\n",
    "deep.jsonl": lambda n: '{"a": ' + "[" * n + "]" * n + "}\n",
    "digits.jsonl": lambda n: '{"a": ' + "1" * n + "}\n",
    "one long value.json": lambda n: json.dumps([{"a": "\\n" * n}]),
    "objects.json": lambda n: "[" + '{"a": 1},\n' * n + "{}]",
    "an object never closed.json": lambda n: '[{"a": 1}, {"b": "' + "x\n" * n,
    "space.json": lambda n: "[" + " \n" * n + "{}]",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_no_text_takes_time_by_the_square_of_its_size(file: Write, name: str) -> None:
    """Four times the size takes four times the time, or sixteen times where it goes by the square."""
    least, most = (_work(file(name, WORST[name](n))) for n in (10_000, 40_000))
    print(f"{name}: {least * 1000:.0f} ms, {most * 1000:.0f} ms")
    assert most < 9 * max(least, 0.005)


def _work(path: Path) -> float:
    """Seconds of the processor: the least of some, for the machine has other work."""
    found = []
    for _ in range(2):
        began = process_time()
        for look in (tables.describe_here, lambda *given: deque(tables.read(*given), maxlen=0)):
            with suppress(BadInput):
                look(path, path.name)
        found.append(process_time() - began)
    return min(found)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["rows", "columns", "cells"])
@pytest.mark.parametrize("format", ["xlsx", "parquet"])
def test_no_binary_table_takes_time_by_the_square_of_its_size(format: str, shape: str, tmp_path: Path) -> None:
    least, most = (_work_of_child(_exported(tmp_path, format, shape, n)) for n in (1, 4))
    print(f"{format} {shape}: {least * 1000:.0f} ms, {most * 1000:.0f} ms")
    assert most < 9 * least


def _exported(folder: Path, format: str, shape: str, n: int) -> Path:
    rows, columns, length = {"rows": (10_000 * n, 2, 3), "columns": (20, 450 * n, 3), "cells": (20, 20, 6_000 * n)}[
        shape
    ]
    names = [f"c{place}" for place in range(columns)]
    path = folder / f"{shape} {n}.{format}"
    texts = (base64.b64encode(random.Random(row).randbytes(length)).decode() for row in range(rows))
    path.write_bytes(b"".join(exports.export((dict.fromkeys(names, text) for text in texts), names, format)))
    return path


def _work_of_child(path: Path) -> float:
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    tables.describe(path, path.name)
    deque(tables.read(path, path.name), maxlen=0)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def test_an_object_with_too_many_keys_is_refused_before_the_next_is_read(file: Write) -> None:
    lines = [json.dumps({str(place): 1 for place in range(3_000)}), "no JSON"]
    refused(file("x.jsonl", "\n".join(lines)), "3,000 columns", read=False)
