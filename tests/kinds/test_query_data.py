"""SQL over tables: real questions to real tables, and every way out of the cage tried."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from datetime import time as clock
from pathlib import Path
from typing import Any, cast

import duckdb
import openpyxl
import pytest

from jobs import query_data
from jobs.engine import library
from jobs.engine.db.models import Job
from jobs.engine.errors import StopRequested
from jobs.engine.formats import exports, tables
from jobs.engine.formats.exports import workbook
from jobs.engine.kinds import catalogue
from jobs.engine.kits import sql
from jobs.engine.kits.sql import result_files
from jobs.engine.kits.sql.expressions import Styles
from jobs.engine.kits.sql.names import RESERVED
from jobs.engine.queue import commands, queries
from jobs.engine.sandbox import spawn
from tests.engine import workers
from tests.kinds.job_runs import OWNER, content, done, errors, run, upload
from webapp.app import create_app

TABLE = b"""id,name,zip,price,day,at,ok,Note,some
1,=cmd,007,1.50,2026-01-02,2026-01-02 10:00:00,true,,
2,B,08,2.25,2026-01-03,2026-01-03T11:30,false,x,5
"""
ESCAPES = (
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/proc/self/environ')",
    "select * from read_csv('/etc/passwd')",
    "select * from sniff_csv('/etc/passwd')",
    "from '/etc/passwd'",
    "from 'https://example.org/x.parquet'",
    "select * from glob('/etc/*')",
    "copy t to '/tmp/out.csv'",
    "attach '/tmp/other.db'",
    "export database '/tmp/out'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset memory_limit",
    "pragma profiling_output = '/tmp/profile'",
    "explain analyze select * from read_text('/etc/passwd')",
    "explain analyze create table x as select 1",
    "select 1; drop table t; select 2",
    "create table x as select 1",
    "drop table t",
    "select * from query('drop table t')",
    "from sys",
)


@pytest.fixture
def table(tmp_path: Path) -> sql.QuerySource:
    path = tmp_path / "t.csv"
    path.write_bytes(TABLE)
    return sql.QuerySource("t", str(path), "t.csv", "csv", TABLE.decode().split("\n")[0].split(","))


def answer(statement: str, *sources: sql.QuerySource, format: str = "jsonl", **limits: int) -> sql.QueryAnswer:
    """The answer, with the file's bytes in `content`."""
    with tempfile.TemporaryDirectory() as folder:
        limited = sql.QueryLimits(**{"rows": 1_000} | limits)
        found = sql.answer(statement, list(sources), limited, Path(folder), format)
        found.content = found.path.read_bytes()  # type: ignore[attr-defined]
        return found


def ask(statement: str, *sources: sql.QuerySource, **limits: int) -> list[list[object]]:
    lines = answer(statement, *sources, **limits).content.splitlines()  # type: ignore[attr-defined]
    return [list(json.loads(line).values()) for line in lines]


def reason(statement: str, *sources: sql.QuerySource, **limits: int) -> str:
    with pytest.raises(sql.QueryEnded) as error:
        ask(statement, *sources, **limits)
    print(error.value.message)
    return error.value.reason


def lines(job: Job) -> list[dict[str, object]]:
    return [json.loads(line) for line in content(queries.output_files(job)[0]).splitlines()]


def test_the_example_joins_two_tables(environment: Callable[..., None]) -> None:
    job = done("query_data", **query_data.EXAMPLE)
    assert (job.state, job.label) == ("succeeded", "orders.csv, customers.csv")
    head, *rows = content(queries.output_files(job)[0]).decode("utf-8-sig").splitlines()
    assert head == "city,orders,total"
    assert len(rows) == job.result["rows"] > 2
    assert job.result["first"][0][0] == rows[0].split(",")[0]
    assert [table["rows"] for table in job.result["tables"]] == [60, 12]


def test_its_page_shows_the_first_rows(environment: Callable[..., None]) -> None:
    job = done("query_data", files=[upload(b"a,b\n<i>,2\n", "Big.csv")], sql="select a, b * 7 as seven from big")
    page = create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text
    assert "1 to 1 of 1 row." in page and "&lt;i&gt;" in page and ">14<" in page
    assert "<code>big</code>, 1 row" in page
    job = done("query_data", files=[upload(b"a\n1\n", "big.csv")], sql="from big where a > 5")
    assert "found nothing" in create_app({"TESTING": True}).test_client().get(f"/jobs/{job.id}").text


def test_its_form_offers_no_braces(environment: Callable[..., None]) -> None:
    client = create_app({"TESTING": True, "WTF_CSRF_ENABLED": False}).test_client()
    example = json.dumps(catalogue.kind("query_data").example)
    form = client.post("/kinds/query_data", data={"json": "1", "_pasted": example}).text
    assert "Table orders (id, customer_id" in form and "data-insert" not in form
    assert 'class="code"' in form.split('id="f-sql"')[1][:200]
    days = upload(b"day,n\n05/03/2026,1\n07/04/2026,2\n", "days.csv")
    for params, said in (({}, True), ({"dates": "month first"}, False)):
        pasted = json.dumps({"files": [days], "sql": "from days"} | params)
        form = client.post("/kinds/query_data", data={"json": "1", "_pasted": pasted}).text
        assert ("By the first rows: day: “05/03/2026” was read with the day first" in form) == said


def test_its_form_shows_how_a_table_was_read(environment: Callable[..., None], tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Read me"])
    for row in (["Sales of May"], ["town", "amount"], ["Oslo", 5]):
        (book["Data"] if "Data" in book.sheetnames else book.create_sheet("Data")).append(row)
    book.save(tmp_path / "b.xlsx")
    client = create_app({"TESTING": True, "WTF_CSRF_ENABLED": False}).test_client()
    params = {"files": [upload(tmp_path / "b.xlsx")], "sql": "from b"}
    plain, chosen = (
        client.post("/kinds/query_data", data={"json": "1", "_pasted": json.dumps(params | how)}).text
        for how in ({}, {"sheet": "Data"})
    )
    assert "Read as XLSX, sheet “Sheet”, header in row 1." in plain
    assert "The sheet “Sheet” was read. Others in this workbook: “Data”." in plain
    assert '<option value="Data">' in plain and '<option value="Data" selected>' in chosen
    assert "Read as XLSX, sheet “Data”, header in row 2." in chosen and ">Oslo</td>" in chosen
    assert "The header was taken to be in row 2; what stands above it was left out." in chosen
    assert 'placeholder="Detected: 2"' in chosen


@pytest.mark.slow
def test_real_films_and_flights(environment: Callable[..., None], vega: Path) -> None:
    films = upload(vega / "movies.json")
    rated = 'select "Director" d, avg("IMDB Rating") r from movies group by d having count(*) > 9 and d > \'\' order by r desc'
    best = lines(done("query_data", files=[films], sql=rated, format="jsonl"))
    known = json.loads((vega / "movies.json").read_bytes())
    ratings = [
        film["IMDB Rating"] for film in known if film["Director"] == best[0]["d"] and film["IMDB Rating"] is not None
    ]
    assert best[0]["r"] == pytest.approx(sum(ratings) / len(ratings))
    flights = upload(vega / "flights-3m.parquet")
    job = done("query_data", files=[flights], sql="select count(*) n from flights_3m", format="jsonl")
    assert lines(job) == [{"n": 3_000_000}]


def test_three_million_rows_are_read_in_constant_memory(vega: Path) -> None:
    """A process that may not have the memory for all of them reads them all."""
    script = f"""
import os
import tempfile
from pathlib import Path
from jobs.engine.kits import sql

def peak(pid):
    (line,) = [one for one in Path(f"/proc/{{pid}}/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

path = {str(vega / "flights-3m.parquet")!r}
source = sql.QuerySource("flights", path, "flights-3m.parquet", "parquet", ["delay"])
with tempfile.TemporaryDirectory() as folder:
    limits = sql.QueryLimits(rows=200_000, memory=256 << 20)
    for answer in sql.run_query("from flights", [source], limits, Path(folder)):
        (querying,) = Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split()
        if not answer.count:
            most = peak(querying)
print(most, peak("self"), answer.count, answer.more, answer.tables[0]["rows"])
"""
    told = subprocess.run([sys.executable, "-c", script], cwd=spawn.ROOT, capture_output=True, text=True, check=True)
    querying, asking, *counts = told.stdout.split()
    assert counts == ["200000", "True", "3000000"]
    assert int(asking) < 60
    assert int(querying) < 60 + 2 * 256


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "xlsx", "parquet", "jsonl"])
def test_each_format(environment: Callable[..., None], tmp_path: Path, format: str) -> None:
    job = done(
        "query_data", files=[upload(TABLE, "Some things.csv")], sql="from some_things order by id", format=format
    )
    (file,) = queries.output_files(job)
    path = tmp_path / file.name
    path.write_bytes(content(file))
    again = done("query_data", files=[upload(path)], sql="select count(*) n, max(zip) z from result", format="jsonl")
    assert file.name == f"result.{format}"
    assert lines(again) == [{"n": 2, "z": "08"}]
    if format == "csv":
        assert "'=cmd" in path.read_text()


TYPED = """
    select i, date '2026-01-02' + i::int as day, timestamp '2026-01-02 10:00:00.25' as at, time '10:30:00' as hour,
        timestamptz '2026-01-02 10:00:00+02' as zoned, 12.5::decimal(9, 2) as price, 0.1::decimal(38, 30) as fine,
        i = 1 as odd, if(i = 1, null, 'x') as said, uuid '01890a5d-ac96-774b-bcce-b302099a8057' as id, i::tinyint as small
    from range(2) t(i)
"""


def test_types_survive_into_parquet(environment: Callable[..., None], tmp_path: Path) -> None:
    job = done("query_data", files=[upload(TABLE)], sql=TYPED, format="parquet")
    path = tmp_path / "result.parquet"
    path.write_bytes(content(queries.output_files(job)[0]))
    with duckdb.connect() as database:
        same = f"select count(*) from (from '{path}' except from ({TYPED}))"
        assert database.execute(same).fetchone() == (0,)
        kept = {name: str(kind) for name, kind, *_ in database.execute(f"select * from '{path}'").description}
        asked = {name: str(kind) for name, kind, *_ in database.execute(TYPED).description}
    assert kept == asked
    again = done("query_data", files=[upload(path)], sql="select zoned, day, price, said from result", format="jsonl")
    assert lines(again)[0] == {"zoned": "2026-01-02T08:00:00+00:00", "day": "2026-01-02", "price": 12.5, "said": "x"}


def test_types_survive_into_a_spreadsheet(environment: Callable[..., None], tmp_path: Path) -> None:
    job = done("query_data", files=[upload(TABLE)], sql=TYPED, format="xlsx")
    book = openpyxl.load_workbook(io.BytesIO(content(queries.output_files(job)[0])))
    head, first, second = book.active.iter_rows(values_only=True)
    row = dict(zip(head, first, strict=True))
    assert (row["day"], row["at"]) == (datetime(2026, 1, 2), datetime(2026, 1, 2, 10, 0, 0, 250_000))
    assert row["hour"] == clock(10, 30)
    assert (row["price"], row["odd"], row["said"]) == (12.5, False, "x")
    assert dict(zip(head, second, strict=True))["said"] is None
    assert book.active["B2"].is_date
    before = done("query_data", files=[upload(TABLE)], sql="select date '1789-07-14' as day", format="xlsx")
    book = openpyxl.load_workbook(io.BytesIO(content(queries.output_files(before)[0])))
    assert book.active["A2"].value == "1789-07-14"


def test_text_formats_write_them_plainly(environment: Callable[..., None]) -> None:
    (first, second) = lines(done("query_data", files=[upload(TABLE)], sql=TYPED, format="jsonl"))
    assert (first["day"], first["at"], first["hour"]) == ("2026-01-02", "2026-01-02T10:00:00.25", "10:30:00")
    assert (first["price"], first["odd"], second["said"]) == (12.5, False, None)
    job = done("query_data", files=[upload(TABLE)], sql=TYPED)
    told = content(queries.output_files(job)[0]).decode("utf-8-sig").splitlines()[1]
    assert told.startswith(
        f"0,2026-01-02,2026-01-02T10:00:00.25,10:30:00,2026-01-02T08:00:00+00:00,12.50,0.1{'0' * 29},false,x,"
    )


def test_columns_of_texts_get_their_types(table: sql.QuerySource) -> None:
    found = answer("from t", table)
    first = list(json.loads(found.content.splitlines()[0]).values())  # type: ignore[attr-defined]
    assert first == [1, "=cmd", "007", 1.5, "2026-01-02", "2026-01-02T10:00:00", True, None, None]
    assert found.tables[0]["columns"] == {
        **{"id": "BIGINT", "name": "VARCHAR", "zip": "VARCHAR", "price": "DECIMAL(16,2)", "day": "DATE"},
        **{"at": "TIMESTAMP", "ok": "BOOLEAN", "Note": "VARCHAR", "some": "BIGINT"},
    }


ODD = """select n, a, b from (values (1, 'a' || chr(13) || 'b', null), (2, '', '=1;=2'), (3, '"q"', 'x' || chr(10) || '-y'),
    (4, 'ä€;', chr(0) || '-5a')) t(n, a, b) order by n"""


def test_texts_are_written_as_the_exporter_does() -> None:
    found = answer(ODD + "  ;; -- the end", format="csv")
    read = list(csv.reader(io.StringIO(found.content.decode("utf-8-sig"), newline="")))  # type: ignore[attr-defined]
    texts = ["a\rb", None, "", "=1;=2", '"q"', "x\n-y", "ä€;", "\0-5a"]
    assert [cell for row in read[1:] for cell in row[1:]] == [exports.cell(text) for text in texts]
    assert found.first[0] == [1, "a\rb", None] and found.count == 4
    cut = answer("select 'a\n\"b,' x, i from range(9) t(i) -- ;", format="csv", rows=3)
    assert (cut.count, cut.more) == (3, True)
    assert cut.content.decode("utf-8-sig") == "x,i\n" + '"a\n""b,",' + '\n"a\n""b,",'.join("012") + "\n"  # type: ignore[attr-defined]
    nothing = answer("select null as x from range(3)", format="csv")
    assert nothing.content.decode("utf-8-sig") == 'x\n""\n""\n""\n'  # type: ignore[attr-defined]
    wide = answer("select repeat('x', 300000) x from range(3)", format="csv")
    assert (wide.count, len(wide.first[2][0])) == (3, 300_000)
    assert reason("select repeat('x', 40000000) x from range(3)") == "row_too_large"


@pytest.mark.slow
@pytest.mark.parametrize("statement", ESCAPES)
def test_there_is_no_way_out(table: sql.QuerySource, statement: str) -> None:
    assert reason(statement, table) in ("out_of_reach", "no_select", "no_such_table", "bad_sql")


def test_names_that_are_not_there_are_named_on_the_form(environment: Callable[..., None]) -> None:
    files = [upload(TABLE, "Things.csv")]
    wrong = {statement: errors("query_data", files=files, sql=statement).get("sql", "") for statement in (
        "select nmae from things", "from thngs", "selec 1", "select 1; select 2", "from read_text('/etc/passwd')"
    )}  # fmt: skip
    column, table, syntax, two, file = wrong.values()
    assert column.startswith("There is no column “nmae”. Did you mean name? There is things (id, name, zip, price,")
    assert table.startswith("There is no table “thngs”. Did you mean things?")
    assert "cannot be read" in syntax and "these are 2 statements" in two and "reads its own tables only" in file
    assert "one.bin" in errors("query_data", files=[upload(b"\x00\x01\x02", "one.bin")], sql="select 1")["files"]


def test_what_takes_too_much_memory_or_time_ends_alone(table: sql.QuerySource) -> None:
    assert reason("select list(range) from range(200000000)", memory=128 << 20) == "memory_limit"
    assert reason("select repeat('x', 4000000000)", memory=128 << 20) in ("memory_limit", "bad_sql")
    endless = "select count(*) from range(1000000) a, range(1000000) b where a.range + b.range = -1"
    assert reason(endless, seconds=1) == "time_limit"


def test_a_stop_ends_a_query_that_computes(tmp_path: Path) -> None:
    asked = time.monotonic() + 1

    def check() -> None:
        if time.monotonic() > asked:
            raise StopRequested

    before = set(_children())
    slow = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"
    with pytest.raises(StopRequested):
        sql.answer(slow, [], sql.QueryLimits(rows=9), tmp_path, check=check)
    assert set(_children()) == before


def _children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def test_each_file_can_be_read_in_its_own_way(environment: Callable[..., None], tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["read me"])
    sheet = book.create_sheet("Data")
    for row in (["Prices"], ["sku", "price"], ["a", 2], ["b", 3]):
        sheet.append(row)
    book.save(tmp_path / "prices.xlsx")
    files = [upload(tmp_path / "prices.xlsx"), upload("stück;sku\n4;a\n5;b\n".encode("cp1252"), "orders.csv")]
    asked = {"files": files, "sql": "select sum(price * stück) as total from prices join orders using (sku)"}
    options = {"prices.xlsx": "sheet=Data, header_row=2", "orders.csv": "encoding=cp1252; delimiter=;"}
    job = done("query_data", **asked, file_options=options)
    assert content(queries.output_files(job)[0]).decode("utf-8-sig") == "total\n23\n"
    wrong = {"prices.xls": "sheet=1"}, {"prices.xlsx": "sheet Data"}, {"prices.xlsx": "header_row=first"}
    said = [errors("query_data", **asked, file_options=one)["file_options"] for one in wrong]
    assert said[0].startswith("There is no file “prices.xls” among the tables. There are: prices.xlsx, orders.csv.")
    assert "Write it as sheet=Data, header_row=2" in said[1] and "cannot be the header row" in said[2]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "xlsx"])
def test_every_format_ends_at_the_row_limit_and_says_so(format: str, tmp_path: Path) -> None:
    made = answer("from range(9) r(i) order by i", format=format, rows=4)
    (tmp_path / f"made.{format}").write_bytes(made.content)  # type: ignore[attr-defined]
    rows = list(tables.read(tmp_path / f"made.{format}", f"made.{format}"))
    assert [int(row["i"]) for row in rows] == [0, 1, 2, 3]
    assert (made.count, made.more, made.notes) == (4, True, ["The result ends at its limit of 4 rows."])
    assert answer("from range(4) r(i)", format=format, rows=4).notes == []


class PlainDatabase:
    """What a workbook's writer needs of a database, outside of a confined child."""

    def execute(self, statement: str) -> duckdb.DuckDBPyConnection:
        return duckdb.connect().execute(statement)


def test_a_spreadsheet_ends_where_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "ROWS", 3)
    written, sink = result_files.Written(), result_files.Sink("xlsx", tmp_path / "made.xlsx")
    query = result_files.ResultQuery(cast(Any, PlainDatabase()), "from range(9) r(i)", ["i"], ["BIGINT"], Styles())
    list(result_files.write(query, sink, 1_000_000, written))
    assert len(list(tables.read(tmp_path / "made.xlsx", "made.xlsx"))) == written.count == 3
    assert written.more and "holds 3 rows under its header, so the result ends there" in written.notes[0]


@pytest.mark.slow
def test_rows_before_a_limit_are_kept(environment: Callable[..., None]) -> None:
    job = done("query_data", files=[upload(TABLE)], sql="select range i from range(9)", row_limit=4, format="jsonl")
    assert (job.state, job.result["rows"], job.result["cut_off"], len(lines(job))) == ("succeeded", 4, True, 4)
    slow = "select i, md5(repeat(i::varchar, 50)) from range(100000000) t(i)"
    job = done("query_data", files=[upload(TABLE)], sql=slow, seconds=6, row_limit=100_000_000, format="jsonl")
    assert (job.state, job.reason) == ("partial", "time_limit")
    assert content(queries.output_files(job)[0]).count(b"\n") == job.result["rows"] > 1_000 and "are kept" in str(
        job.message
    )
    job = run(commands.submit("query_data", {"files": [upload(TABLE)], "sql": slow}, owner=OWNER, sample=3))
    assert (job.state, job.result["rows"]) == ("succeeded", 3)


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = """
import os, tempfile, time
from pathlib import Path
from jobs.engine.kits import sql

def check():
    if children := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        print(children[0], flush=True)

slow = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"
with tempfile.TemporaryDirectory() as folder:
    sql.answer(slow, [], sql.QueryLimits(rows=9), Path(folder), check=check)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=spawn.ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    querying = Path("/proc") / parent.stdout.readline().decode().strip()
    assert querying.is_dir()
    parent.kill()
    parent.communicate()
    workers.until(lambda: not querying.exists() or "State:\tZ" in (querying / "status").read_text())


def test_names_of_tables() -> None:
    files = ["Sales 2024.xlsx", "order.csv", "3m.parquet", "sales_2024.csv", "报告.csv", "...", "a.b.csv"]
    assert sql.table_names(files) == ["sales_2024", "order_", "t_3m", "sales_2024_2", "报告", "t", "a_b"]
    keywords = {name for (name,) in duckdb.sql("select keyword_name from duckdb_keywords()").fetchall()}
    assert {name for name in keywords if not _names_a_table(name)} <= RESERVED


def _names_a_table(name: str) -> bool:
    try:
        duckdb.sql(f"with {name} as (select 1 as x) select x from {name}").fetchall()
    except duckdb.Error:
        return False
    return True


def test_parameters_pivots_and_plans(environment: Callable[..., None]) -> None:
    table = upload(b"region,quarter,amount,day\nN,1,5,2026-01-02\nS,1,7,2026-02-02\nN,2,9,2026-03-02\n", "sales.csv")
    given = {"region": "n", "since": "2026-02-01", "least": 6}
    sql = "select amount from sales where region = upper($region) and day >= $since and amount > $least"
    job = done("query_data", files=[table], sql=sql, parameters=given)
    assert job.result["first"] == [[9]]
    assert "there is no such parameter" in errors("query_data", files=[table], sql=sql)["parameters"]
    job = done(
        "query_data", files=[table], sql="PIVOT sales ON quarter USING sum(amount) GROUP BY region ORDER BY region"
    )
    assert [column["name"] for column in job.result["columns"]] == ["region", "1", "2"]
    assert job.result["first"] == [["N", 5, 9], ["S", 7, None]]
    job = done("query_data", files=[table], sql="explain select sum(amount) from sales")
    assert "SALES" in " ".join(str(row) for row in job.result["first"]).upper()
    assert "EXPLAIN works for a SELECT" in errors("query_data", files=[table], sql="explain delete from sales")["sql"]
    assert "column" in errors("query_data", files=[table], sql="explain analyze select nothing from sales")["sql"]


def test_collections_and_rows_of_jobs_are_tables(environment: Callable[..., None]) -> None:
    library.add_text(OWNER, "my notes", "Falcon", "A lamp.")
    queried = done("query_data", files=[upload(b"a\n1\n", "x.csv")], sql="select a from x")
    numbers = done("simulate", formula="x", inputs={"x": 1}, trials=10)
    sql = "select n.title, count(*) as batches from my_notes n, job group by all"
    job = done("query_data", collections=["my notes"], jobs=[str(numbers.id)], sql=sql)
    assert (job.state, job.result["first"]) == ("succeeded", [["Falcon", 1]])
    assert "no rows" in str(done("query_data", jobs=[str(queried.id)], sql="select 1 from job").message)
    nothing = done("query_data", collections=["others"], sql="select title from others")
    assert (nothing.state, nothing.reason) == ("failed", "not_found")
    assert "titel" in errors("query_data", collections=["others"], sql="select titel from others")["sql"]
    assert "Choose a table" in errors("query_data", sql="select 1")["files"]
