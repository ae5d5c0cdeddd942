"""Reports from tables: their numbers against DuckDB's own, what a model may say, and what is refused."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import duckdb
import openpyxl
import pypdfium2
import pytest

from jobs import build_report
from jobs.engine.db.models import Job
from jobs.engine.files.inputs import SAMPLES
from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import TableInfo
from jobs.engine.formats.tables.table_info import VERSION
from jobs.engine.kits import reports
from jobs.engine.kits.moderation import JudgeChoice
from jobs.engine.kits.reports import measures, narrative, writing
from jobs.engine.queue import queries
from tests.kinds.job_runs import content, done, errors, items, upload

SALES = SAMPLES / "sales.csv"


class Writer(BaseHTTPRequestHandler):
    """A provider that answers each question with the next of `texts`, and keeps what it was asked."""

    texts: ClassVar[list[str]] = []
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = {"role": "assistant", "content": self.texts.pop(0)}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        answer = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def writer(environment: Callable[..., None]) -> Iterator[type[Writer]]:
    Writer.texts.clear()
    Writer.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Writer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment(OPENAI_BASE_URL=f"http://127.0.0.1:{server.server_port}/v1", OPENAI_API_KEY="k", OPENAI_MODEL="m")
        yield Writer
        server.shutdown()


def figures(path: Path, folder: Path, wanted: str, by: str = "", date: str = "", **more: Any) -> dict[str, Any]:
    columns = duckdb.sql(f"describe from '{path}'").fetchall()
    names = [row[0] for row in columns]
    plan = {"period": "auto", "most_groups": 50} | more
    keys = measures.columns_in(by, names)
    return reports.compute(
        path, path.name, reports.ReportPlan(measures.parse(wanted, names), keys, date, **plan), folder
    )


def file_of(job: Job) -> bytes:
    (file,) = queries.output_files(job)
    return content(file)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = "".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    return text


# The figures.


def test_groups_equal_duckdbs_own(vega: Path, tmp_path: Path) -> None:
    path = vega / "seattle-weather.csv"
    found = figures(
        path,
        tmp_path,
        "sum(precipitation), mean(temp_max), median(wind), min(temp_min), max(date), count(*)",
        "weather",
    )
    sql = "sum(precipitation), avg(temp_max), median(wind), min(temp_min), max(date)::varchar, count(*)"
    for row in duckdb.sql(f"select weather, {sql} from '{path}' group by 1").fetchall():
        assert next(one for one in found["groups"]["rows"] if one[0] == row[0]) == pytest.approx(list(row))
    assert found["totals"] == pytest.approx(list(duckdb.sql(f"select {sql} from '{path}'").fetchall()[0]))
    assert (found["rows_read"], found["rows_used"], found["notes"]) == (1461, 1461, [])


def test_what_is_not_shown_is_added_up(vega: Path, tmp_path: Path) -> None:
    path = vega / "airports.csv"
    found = figures(path, tmp_path, "count(*), sum(latitude)", "state", most_groups=5)
    groups = found["groups"]
    assert len(groups["rows"]) == 5 and groups["count"] > 50
    for place in (0, 1):
        assert sum(row[place + 1] for row in groups["rows"]) + groups["others"][place] == pytest.approx(
            found["totals"][place]
        )


def test_periods_equal_duckdbs_own_whatever_the_dates_look_like(vega: Path, tmp_path: Path) -> None:
    path = vega / "stocks.csv"
    found = figures(path, tmp_path, "mean(price), count(*)", "symbol", "date", period="year")
    sql = f"select strftime(strptime(date, '%b %d %Y'), '%Y') as y, avg(price), count(*) from '{path}' group by 1 order by 1"
    for row, own in zip(found["periods"], duckdb.sql(sql).fetchall(), strict=True):
        assert row == pytest.approx(list(own))
    assert {row[1] for row in found["lines"]} == {"AAPL", "AMZN", "GOOG", "IBM", "MSFT"}


def test_what_is_no_number_or_no_date_is_left_out_and_said(tmp_path: Path) -> None:
    table = tmp_path / "odd.csv"
    table.write_text("day,n\n2026-01-01,1\n2026-01-02,x\n?,4\n2026-01-03,nan\n2026-01-03,\n")
    found = figures(table, tmp_path, "sum(n), count(n)", "", "day")
    assert (found["rows_read"], found["rows_used"], found["totals"]) == (5, 4, [1, 3])
    assert found["left_out"] == {"n": 2, "day": 1} and found["warnings"] == found["notes"]
    assert found["notes"] == [
        "2 values of n are no numbers and were left out (“x”, “nan”).",
        "1 row was left out: day holds no date there (“?”).",
    ]


def test_a_parquet_file_is_computed_as_it_lies(vega: Path, tmp_path: Path) -> None:
    path = vega / "flights-3m.parquet"
    found = figures(path, tmp_path, "count(*), mean(delay)", "origin")
    (row,) = duckdb.sql(f"select count(*), avg(delay) from '{path}'").fetchall()
    assert found["totals"] == pytest.approx(list(row))


# The report.


@pytest.mark.slow
@pytest.mark.parametrize("format", ["pdf", "html", "xlsx", "docx"])
def test_every_format_shows_the_figures(environment: Callable[..., None], format: str) -> None:
    job = done("build_report", **build_report.EXAMPLE | {"format": format})
    assert job.state == "succeeded"
    ((total, rows),) = duckdb.sql(f"select sum(amount), count(*) from '{SALES}'").fetchall()
    data = file_of(job)
    if format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(data))
        assert book["Report"]["B5"].value == pytest.approx(total)
        assert sum(row[1] for row in book["Groups"].iter_rows(min_row=2, values_only=True)) == pytest.approx(total)
        return
    text = text_of(data) if format == "pdf" else data.decode() if format == "html" else _document(data)
    assert f"{total:,.2f}" in text and f"{rows} rows were read, all of them are used" in re.sub(r"\s+", " ", text)
    assert job.result["preview"]["rows"][-1][1] == f"{total:,.2f}"
    if format == "html":
        assert 'src="data:image/svg+xml' in text or "<svg" in text
        assert "http://" not in text.replace("http://www.w3.org", "") and "<script" not in text


def _document(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert [name for name in opened.namelist() if name.startswith("word/media/")]
        return re.sub(r"<[^>]+>", "", opened.read("word/document.xml").decode())


@pytest.mark.slow
def test_data_stay_text_in_a_template_of_ones_own(environment: Callable[..., None]) -> None:
    table = b"name,n\n<script>alert(1)</script>,1\n**a**|b,2\n[x](http://evil.example),3\n"
    template = "# {title}\n\nAll: **{sum(n)}**\n\n{groups}\n\n<script>alert(2)</script>\n"
    params = {"template": template, "group_by": "name", "measures": ["sum(n)"], "format": "html", "title": "Names <b>"}
    text = file_of(done("build_report", source=upload(table, "t.csv"), **params)).decode()
    assert "<strong>6</strong>" in text and "**a**|b" in text
    assert (
        "&lt;script&gt;alert(2)" in text
        and "<script" not in text
        and 'href="http://evil' not in text
        and "<b>" not in text
    )


@pytest.mark.slow
@pytest.mark.parametrize("format", ["pdf", "xlsx"])
def test_no_rows_make_a_report_that_says_so(environment: Callable[..., None], format: str) -> None:
    params = {
        "source": upload(b"day,n\n", "none.csv"),
        "measures": "sum(n)",
        "template": "timeseries",
        "format": format,
    }
    job = done("build_report", **params)
    assert (job.state, job.result["rows_read"]) == ("succeeded", 0)
    data = file_of(job)
    text = text_of(data) if format == "pdf" else str(list(openpyxl.load_workbook(io.BytesIO(data))["Report"].values))
    assert "no rows that can be used" in re.sub(r"\s+", " ", text)


def test_wrong_params_are_named(environment: Callable[..., None]) -> None:
    def said(**params: Any) -> dict[str, str]:
        return errors("build_report", source="sample:sales.csv", **params)

    assert "Did you mean “amount”?" in said(measures="sum(amont)")["measures"]
    assert "Did you mean median(amount)?" in said(measures="medain(amount)")["measures"]
    assert "needs numbers" in said(measures="mean(product)")["measures"]
    assert "like sum(amount)" in said(measures="amount")["measures"]
    assert "Did you mean “region”?" in said(group_by="regin")["group_by"]
    assert "needs a column" in said(template="grouped")["group_by"]
    assert "There is no template “fancy”" in said(template="fancy")["template"]
    assert "{sum(amount)}" in said(template="# {x}", measures="sum(amount)")["template"]
    assert "No column" in errors("build_report", source="sample:reviews.csv", template="timeseries")["date_column"]
    assert "OPENAI_API_KEY" in said(narrative="llm")["narrative"]


# The text.


TOLD = {"rows_read": 105, "rows_used": 105, "totals": [5117.1, 48.7342], "periods": None, "lines": None, "period": None}
TOLD |= {"groups": {"count": 4, "rows": [["North", 2370, 49.375], ["2024", -12, 0.5]], "others": None}}


@pytest.mark.parametrize(
    "text",
    [
        "In all 5,117.1, about 5.1 thousand; 48.73 a row.",
        "North has 2370 of 5117.10 in 4 groups; 2024 lost 12.",
        "No number.",
    ],
)
def test_figures_may_be_named_and_rounded(text: str) -> None:
    assert narrative.unknown_numbers(text, TOLD, ["Report"]) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("It rose by 12.5%.", "12.5%"), ("Over 5,118 in all", "5,118"), ("48.74 a row", "48.74"), ("since 1999", "1999")],
)
def test_other_numbers_are_found(text: str, wrong: str) -> None:
    assert narrative.unknown_numbers(text, TOLD, ["Report"]) == [wrong]


@pytest.mark.slow
def test_a_text_that_keeps_to_the_figures_is_in_the_report(writer: type[Writer]) -> None:
    writer.texts += ["It grew by 77 percent.", "There were 105 sales."]
    job = done("build_report", **build_report.EXAMPLE | {"narrative": "llm", "format": "html"})
    assert (job.state, job.result["preview"]["narrative"]) == ("succeeded", "There were 105 sales.")
    assert "There were 105 sales" in file_of(job).decode()
    assert [item.tokens for item in items(job)] == [220]
    assert "77" in writer.asked[1]["messages"][-1]["content"]


@pytest.mark.slow
def test_a_text_that_makes_numbers_up_is_left_out(writer: type[Writer]) -> None:
    writer.texts += ["It grew by 77 percent.", "It grew by 78 percent."]
    job = done("build_report", **build_report.EXAMPLE | {"narrative": "llm", "format": "html"})
    assert (job.state, job.result["preview"]["narrative"]) == ("succeeded", "")
    assert "rejected twice" in job.result["preview"]["notes"][-1]
    assert "percent" not in file_of(job).decode()


def test_figures_of_another_version_are_enough_for_a_report() -> None:
    older = {"rows_read": 2, "rows_used": 2, "totals": [3], "groups": None, "as_of": "today", "from_the_future": 1}
    found = reports.completed(older, 2)
    assert (found["warnings"], found["units"], found["left_out"], found["totals"]) == ([], ["", ""], {}, [3])
    assert reports.completed({"units": ["EUR", "", "x"]}, 2)["units"] == ["EUR", ""]
    chosen = JudgeChoice.from_json({"who": "provider", "model": "m", "from_the_future": 1})
    assert chosen == JudgeChoice("provider", "m") and JudgeChoice.from_json({}).built_in
    assert Choices.from_json({"numbers": "1,234.5", "from_the_future": 1}) == Choices(numbers="1,234.5")
    assert not TableInfo.is_current({"version": VERSION}) and not TableInfo.is_current({"format": "csv"})


def test_figures_lead_and_a_long_table_goes_on_with_its_head(environment: Callable[..., None]) -> None:
    environment()
    rows = "".join(f"group {number:03},{number * 1_000},{number}\n" for number in range(1, 91))
    given = upload(f"name,amount,weight\n{rows}".encode(), "groups.csv")
    params = {"source": given, "template": "grouped", "group_by": "name", "most_groups": 90}
    job = done("build_report", **params, measures="sum(amount), mean(weight), count(*)")
    document = pypdfium2.PdfDocument(file_of(job))
    pages = [page.get_textpage().get_text_bounded() for page in document]
    document.close()
    place = [pages[0].index(text) for text in ("4,095,000", "most in group 090 (90,000)", "Sum of amount", "group 090")]
    assert len(pages) >= 2 and place[0] < place[1] and place[2] < place[3]
    assert all("Mean of weight" in page for page in pages if "group 0" in page)
    wide = writing.Report("", "", "", "summary", [], list("abcd"), list("abcd"), {"totals": [123_456_789_012.5] * 4})
    assert writing.lead_figures(wide).count("123") == 2 + 4, "two fit; all four stand below"
