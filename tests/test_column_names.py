"""Names of columns are names: whatever a table calls them, every kind makes of it what it makes of plain names.

No name is run as SQL, filled in as a template, or taken for a path: the content of a file beside comes out nowhere, and nothing
is written but the job's outputs.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from jobs.engine.errors import InvalidParams
from jobs.engine.files import find_input
from jobs.engine.formats import exports, tables
from jobs.engine.kinds import catalogue
from jobs.engine.kits import reports, sql
from jobs.engine.kits.reports.measures import Measure
from jobs.engine.kits.sql.names import column_names
from jobs.engine.queue import queries
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, content, done, items, upload

pytestmark = pytest.mark.slow

MARKER = "MARKER-4f9a1c"
# {marker} is a file that is none of the job's business, {outside} a folder.
TEXTS = [
    "k{{measures}}",
    "as varchar))/**/,'')/**/,'x')as k0, 1 as m0 from (select content as 'kcount(nullif(trim(cast(' "
    "from read_text('{marker}')) --",
    "{{source}}{{where}}{{title}}",
    "\"; copy (select 1) to '{outside}/a.csv'; --",
    "'); copy (select 1) to '{outside}/b.csv'; --",
    "(select content from read_text('{marker}'))",
    "x\" from read_text('{marker}') as t(c0) --",
    "/* never closed",
    "-- to the end; select 1",
    "a, b; c | d",
    "back\\slash\\'quote''\"\"",
    "$file :file ?1 %(id)s %s",
    "{{0.__class__}} }}{{ {{{{",
    "[x]*?.parquet",
    "\u202ethgir\u2066 \u200b left",
    "nul\0byte",
    "=cmd|'/c calc'!A1",
    "<b onclick=x>&amp;</b>",
    "Grüße 漢字 🙂",
]
# Words of SQL, and names that SQL of ours has used; two that differ by their case.
WORDS = [
    "select",
    "c0",
    "k0",
    "m0",
    "p",
    "row_",
    "read_rows",
    "kept",
    "raw",
    "Twin",
    "tWIN",
    "measures",
    "source",
    "where",
]
LONG = "long" * 2_500
ROWS = 3


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "marker.txt").write_text(MARKER)
    return tmp_path / "outside"


@pytest.fixture
def names(outside: Path) -> list[str]:
    return [text.format(marker=outside / "marker.txt", outside=outside) for text in TEXTS]


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert [path.name for path in outside.iterdir()] == ["marker.txt"]
    assert list(temporary.iterdir()) == []


def rows_of(columns: list[str]) -> list[dict[str, Any]]:
    """Rows under these columns: a text, a number and an address under the first three."""
    fixed = [["Ann", 1.5, "ann@example.org"], ["Bob", 2, "bob@example.org"], ["Ann", 4, "cy@example.org"]]
    return [
        dict(zip(columns, [*fixed[n], *(f"{n}.{m}" for m in range(len(columns) - 3))], strict=True))
        for n in range(ROWS)
    ]


def jsonl(columns: list[str]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows_of(columns))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# Each kind that takes a table: the params for a table whose first three columns have these names.
KINDS: dict[str, Callable[[str, list[str]], dict[str, Any]]] = {
    "build_report": lambda file, c: {
        **{"source": file, "template": "grouped", "format": "xlsx"},
        **{"group_by": [c[0]], "measures": [{"how": "sum", "column": c[1]}, {"how": "count", "column": c[0]}]},
    },
    "convert_files": lambda file, c: {"files": [file], "to": "parquet"},
    "embed_texts": lambda file, c: {"source": file, "text_column": c[0], "format": "parquet"},
    "generate_texts": lambda file, c: {"source": file, "prompt": "Say hello."},
    "import_data": lambda file, c: {
        **{"source": file, "collection": file, "rest": "drop"},
        **{"mapping": {"title": c[0], "text": c[1]}, "key": c[2]},
    },
    "moderate_content": lambda file, c: {"source": file, "text_column": c[0], "judge": "built_in"},
    "query_data": lambda file, c: {
        **{"files": [file], "format": "jsonl"},
        **{"sql": f"select {quoted(c[0])}, sum({quoted(c[1])}) as total from things group by 1 order by 1"},
    },
    "recommend": lambda file, c: {"interactions": file, "user_column": c[0], "item_column": c[1], "weight_column": ""},
    "run_tools": lambda file, c: {
        "tool": "query_table",
        "arguments": {"files": [file], "sql": f"select {quoted(c[0])}, {quoted(c[1])} from things"},
    },
    "simulate": lambda file, c: {
        **{"formula": "x * 2", "inputs": {"x": {"distribution": "column", "column": c[1]}}},
        **{"data": file, "trials": 10, "seed": 1},
    },
    "send_emails": lambda file, c: {
        **{"recipients": file, "address_column": c[2], "name_column": c[0]},
        **{"from": "nora@example.org", "subject": "Hello", "text": "Dear reader,"},
    },
}  # fmt: skip
OTHERS = {"run_agent": "its tools are those of run_tools", "process_files": "it makes text of a workbook, and no table"}


def test_every_kind_that_takes_a_table_is_here() -> None:
    schemas = {kind.name: json.dumps(kind.Params.model_json_schema()) for kind in catalogue.kinds()}
    takes = {name for name, schema in schemas.items() if '"accept": "table"' in schema}
    assert takes >= {"build_report", "query_data", "send_emails"}
    assert takes <= KINDS.keys()


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, Any]]:
    """What each kind makes of plain names, once it has been asked."""
    return {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [0, 6, 12])
def test_a_kind_makes_the_same_of_any_names(
    environment: Callable[..., None], names: list[str], plain: dict[str, Any], kind: str, first: int
) -> None:
    columns = [*names[first:], *names[:first], LONG]
    with FakeProvider() as provider:
        environment(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-test", OPENAI_MODEL="fake-small")
        if kind not in plain:
            plain[kind] = outcome(kind, [f"column{place}x" for place in range(len(columns))])
        odd = outcome(kind, columns)
    assert MARKER not in json.dumps(odd)
    if "refused" in odd:
        assert odd["refused"].endswith((".", "?")), odd
    else:
        assert odd == plain[kind]


def outcome(kind: str, columns: list[str]) -> dict[str, Any]:
    """All that came of a job, with column7x for the name of the column at that place."""
    file = upload(jsonl(columns), "things.jsonl")
    known = find_input(file, OWNER).table().columns
    try:
        job = done(kind, **KINDS[kind](file, known))
    except InvalidParams as error:
        return {"refused": str(error)}
    files = [(file.name, cells_of(file.name, content(file))) for file in queries.output_files(job)]
    rows = [(item.state, item.input, item.output, item.error) for item in items(job)]
    seen = {"state": job.state, "message": job.message, "result": job.result, "items": rows, "files": files}
    return dict(plainly(json.loads(json.dumps(seen, default=str)), known))


def cells_of(name: str, data: bytes) -> Any:
    path = Path(tempfile.gettempdir()) / name.replace("/", "-")
    if name.endswith(".xlsx"):
        book = openpyxl.load_workbook(io.BytesIO(data))
        return [[list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    path.write_bytes(data)
    try:
        return list(tables.read(path, name))
    finally:
        path.unlink()


# What differs from one run to the next.
OF_A_RUN = {
    *("source", "files", "arguments", "collection", "id", "file", "file_id", "document", "message_id"),
    *("seconds", "sent_at", "bytes", "output_bytes"),
    *("tokens", "embedding_tokens", "embedding_reused", "not_embedded_again"),
}  # fmt: skip


def plainly(value: Any, columns: list[str]) -> Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in OF_A_RUN}
        return {plainly(key, columns): plainly(inner, columns) for key, inner in kept.items()}
    if isinstance(value, list):
        return [plainly(inner, columns) for inner in value]
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "now", value)
        for place, name in sorted(enumerate(columns), key=lambda one: -len(one[1])):
            for written in (json.dumps(name, ensure_ascii=False)[1:-1], name):
                value = value.replace(written, f"column{place}x")
    return value


# The figures of a report and a query, with each name in each place.


def test_figures_are_the_same_under_any_name(names: list[str], tmp_path: Path) -> None:
    """Each name counted and added up, and each one of the three by which it is grouped."""
    columns = [*names, *WORDS, LONG]
    path, folder = tmp_path / "things.jsonl", tmp_path / "folder"
    path.write_bytes(b"".join(json.dumps(dict.fromkeys(columns, value)).encode() + b"\n" for value in (1, 1, 4)))
    folder.mkdir()
    known = tables.describe(path, path.name).columns
    for keys in (known[place : place + 3] for place in range(0, len(known), 3)):
        plan = reports.ReportPlan(
            [Measure("sum", one) for one in known] + [Measure("count", one) for one in known],
            keys, "", "auto", most_groups=2,
        )  # fmt: skip
        found = reports.compute(path, path.name, plan, folder)
        assert MARKER not in json.dumps(found)
        of_ones, of_four = [2.0] * len(known) + [2] * len(known), [4.0] * len(known) + [1] * len(known)
        assert found["groups"]["rows"] == [["4"] * len(keys) + of_four, ["1"] * len(keys) + of_ones]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "xlsx", "csv"])
def test_a_query_finds_the_same_under_any_name(names: list[str], tmp_path: Path, format: str) -> None:
    columns = [name.replace("\0", "") for name in [*names, *WORDS, LONG]]
    path = tmp_path / f"things.{format}"
    path.write_bytes(b"".join(exports.export(rows_of(columns), columns, format)))
    info = tables.describe(path, path.name)
    source = sql.QuerySource("things", str(path), path.name, info.format, info.columns, info.options)
    _, rows = answer("from things", source, tmp_path)
    assert MARKER not in str(rows)
    known = column_names(info.columns)[::-1]
    answered, values = answer(f"select {', '.join(map(quoted, known))} from things", source, tmp_path)
    assert values == [row[::-1] for row in rows]
    assert [column["name"] for column in answered.columns] == known


def answer(query: str, source: sql.QuerySource, folder: Path) -> tuple[sql.QueryAnswer, list[list[Any]]]:
    found = sql.answer(query, [source], sql.QueryLimits(rows=9), folder, "jsonl")
    return found, [list(json.loads(line).values()) for line in found.path.read_text().splitlines()]


# What an audit did.


def test_the_audits_report_is_a_report(environment: Callable[..., None], names: list[str]) -> None:
    table = f"k{{measures}},{csv_cell(names[1])}\nx,1\ny,2\n".encode()
    job = done("build_report", source=upload(table, "t.csv"), template="grouped", group_by="k{measures}",
               measures=f"count({names[1]})", format="xlsx")  # fmt: skip
    assert job.state == "succeeded"
    assert MARKER not in json.dumps(job.result)
    assert [row[1] for row in job.result["preview"]["rows"]] == ["1", "1", "2"]


def csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
