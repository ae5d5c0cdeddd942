"""What a column's texts become, over the wire: in a query, a report, a prompt, a converted file and a letter's page."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any

import openpyxl

from tests.stories.site_client import Site

TABLE = """id;phone;code;version;paid;at;amount;share;ok
1577134800018226901;+4915112345678;12E3;1.1;05/03/2026;2026-01-05T10:00:00Z;950;15 %;yes
1577134800018226902;+4915112345679;5E0;1.10;25/03/2026;2026-02-05T11:30:00+02:00;1.234,50;20 %;no
"""


def result(site: Site, job: dict[str, Any]) -> bytes:
    return site.get(f"/api/v1/files/{job['files'][0]['id']}").body


def query(site: Site, file: str, sql: str, **params: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    job = site.ended(site.submit("query_data", files=[file], sql=sql, format="jsonl", **params))
    assert job["state"] == "succeeded", job["message"]
    return [json.loads(line) for line in result(site, job).splitlines()], job["result"]


def test_a_query_keeps_what_looks_like_a_number_and_reads_what_is_one(site: Site) -> None:
    file = site.upload("t.csv", TABLE.encode())
    [first, second], told = query(site, file, "from t order by id")
    assert [first["id"], second["id"]] == [1577134800018226901, 1577134800018226902]
    assert (first["phone"], first["code"], first["version"], second["version"]) == (
        "+4915112345678",
        "12E3",
        "1.1",
        "1.10",
    )
    assert (first["paid"], second["amount"], second["share"], second["ok"]) == ("2026-03-05", 1234.5, 0.2, "no")
    assert second["at"] == "2026-02-05T09:30:00+00:00"
    assert any("version stayed text" in note for note in told["notes"])
    assert told["tables"][0]["read"]["paid"] == "dates, day first"
    [row], _ = query(site, file, 'select max("at") as m from t where "at" > timestamp \'2026-01-31\' and ok')
    assert row == {"m": None}
    [row], _ = query(site, file, "select sum(amount) as s from t", text_columns=["phone"])
    assert row == {"s": 2184.5}
    [row, _], _ = query(site, file, "select amount from t", text_columns=["amount"])
    assert row == {"amount": "950"}


def test_a_csv_result_is_written_as_the_table_was(site: Site) -> None:
    table = (
        "a,b,c,d,e,f,g\n1.10,1,1.0,10:30,2026-01-05 10:00:00,007,=1+1\n2.25,2.5,2.5,09:05,2026-01-05 11:30:00,8,-5\n"
    )
    file = site.upload("same.csv", table.encode())
    job = site.ended(site.submit("query_data", files=[file], sql="from same"))
    assert result(site, job).decode("utf-8-sig") == table.replace("=1+1", "'=1+1")
    job = site.ended(
        site.submit("query_data", files=[file], sql="select sum(a) + 0.05 as s, 3.3::double * 1 as d, null as n")
    )
    assert job["state"] == "failed"
    sql = "select sum(a) s, 1.1::double + 2.2::double d, to_hours(32) + to_minutes(15) i, {'x': [1, null]} n, true t from same"
    job = site.ended(site.submit("query_data", files=[file], sql=sql))
    assert result(site, job).decode("utf-8-sig").splitlines()[1] == '3.35,3.3,32:15:00,"{""x"":[1,null]}",true'


def test_a_report_reads_the_same(site: Site) -> None:
    file = site.upload("t.csv", TABLE.encode())
    params = {"source": file, "template": "timeseries", "date_column": "paid", "format": "html"}
    job = site.ended(site.submit("build_report", measures="sum(amount), mean(share), count(*)", **params))
    preview = job["result"]["preview"]
    assert preview["columns"][1:] == ["Sum of amount", "Mean of share (%)", "Number of rows"]
    assert preview["rows"][-1] == ["All", "2,184.50", "17.50", "2"]
    assert [row[0] for row in preview["rows"][:-1]] == ["2026-03-05", "2026-03-25"]


def test_a_guess_is_said_and_can_be_chosen(site: Site) -> None:
    file = site.upload("d.csv", b"day,n\n05/03/2026,1\n07/04/2026,2\n")
    rows, told = query(site, file, "select day from d")
    assert rows[0] == {"day": "2026-03-05"} and "read with the day first" in told["notes"][0]
    rows, told = query(site, file, "select day from d", dates="month first")
    assert rows[0] == {"day": "2026-05-03"} and told["notes"] == []
    report = {"source": file, "template": "timeseries", "measures": "sum(n)", "period": "month", "format": "html"}
    job = site.ended(site.submit("build_report", **report))
    assert [row[0] for row in job["result"]["preview"]["rows"]] == ["2026-03", "2026-04", "All"]
    job = site.ended(site.submit("build_report", dates="month first", **report))
    assert [row[0] for row in job["result"]["preview"]["rows"]] == ["2026-05", "2026-07", "All"]


def test_what_is_left_out_is_said_and_no_date_at_all_fails(site: Site) -> None:
    file = site.upload("d.csv", b"day,n\n2026-01-05,1\n2026-01-06,x\n2026-01-07,n/a\n2026-01-08,3\n")
    job = site.ended(site.submit("build_report", source=file, measures="sum(n)", format="html"))
    assert job["result"]["left_out"] == {"n": 2}
    assert "2 values of n are no numbers and were left out" in job["result"]["preview"]["facts"]
    file = site.upload("none.csv", b"day,n\nsoon,1\nlater,2\n")
    job = site.ended(
        site.submit("build_report", source=file, measures="sum(n)", template="timeseries", date_column="day")
    )
    assert job["state"] == "failed" and "day holds no date that can be read: “soon”, “later”" in job["message"]


def test_prompts_and_converted_files_have_the_texts_as_written(site: Site) -> None:
    file = site.upload("t.csv", TABLE.encode())
    prompt = "ECHO {id} {phone} {code} {version} {paid} {amount} {share} {ok}"
    job = site.ended(site.submit("generate_texts", source=file, prompt=prompt))
    shown = site.items(job["id"])[1]["input"]
    assert shown["phone"] == "+4915112345679" and shown["amount"] == "1.234,50"
    job = site.ended(site.submit("convert_files", files=[file], to="xlsx"))
    book = openpyxl.load_workbook(io.BytesIO(result(site, job)))
    row = [cell.value for cell in book["Table"][3]]
    assert row[:5] == ["1577134800018226902", "+4915112345679", "5E0", "1.10", datetime(2026, 3, 25)]


def test_a_long_cell_does_not_stop_a_workbook(site: Site) -> None:
    file = site.upload("long.csv", b"n,text\n1.10," + b"x" * 40_000 + b"\n2.25,y\n")
    job = site.ended(site.submit("query_data", files=[file], sql="from long", format="xlsx"))
    assert job["state"] == "succeeded" and "Cut to 32,767 characters" in job["result"]["notes"][0]
    book = openpyxl.load_workbook(io.BytesIO(result(site, job)))
    assert len(book["Table"]["B2"].value) == 32_767 and book["Table"]["B3"].value == "y"
    assert book["Table"]["A2"].number_format == "0.00" and "in row 1, of 40,000" in book["Notes"]["A1"].value
