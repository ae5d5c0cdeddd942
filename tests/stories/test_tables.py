"""Tables as people have them, over the wire: read right, and told how, in every kind that takes one."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.stories.site_client import Site


def workbook(*rows: list[Any], before: Callable[[Any], None] = lambda book: None) -> bytes:
    import openpyxl

    made = openpyxl.Workbook()
    made.active.title = "Data"
    for row in rows:
        made.active.append(row)
    before(made)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def _read_me_first(book: Any) -> None:
    book.create_sheet("Read me", 0).append(["See the next sheet"])
    book.create_sheet("Codes", 0).append(["hidden"])
    book.worksheets[0].sheet_state = "hidden"


TWO_SHEETS = workbook(["Sales of May"], ["town", "amount"], ["Oslo", 5], ["Rome", 7], before=_read_me_first)
FILES: dict[str, tuple[bytes, dict[str, Any], str]] = {  # the bytes, how to read them, and what is told
    "sep.csv": (b"sep=;\r\ntown;amount\r\nOslo;5\r\nRome;7\r\n", {}, ""),
    "bank.csv": (b"Bank X\n\ntown,amount\nOslo,5\nRome,7\n", {}, "The header was taken to be in line 3"),
    "late.jsonl": (b'{"town": "Oslo"}\n' * 150 + b'{"town": "Rome", "amount": 7}\n', {}, ""),
    "nested.json": (
        b'{"data": [{"town": "Oslo", "amount": 5}, {"town": "Rome", "amount": 7}]}',
        {},
        "The rows are those of “data”",
    ),
    "cp1251.csv": ("town,amount\nОсло,5\nРим,7\n".encode("cp1251"), {}, "Read as cp1251, which is a guess"),
    "two.xlsx": (TWO_SHEETS, {"sheet": "Data"}, "The header was taken to be in row 2"),
    "none.csv": (b"Oslo,5\nRome,7\n", {"header_row": "none"}, "There is no header"),
    "formula.xlsx": (
        workbook(["town", "amount"], ["Oslo", "=2+3"], ["Rome", "=3+4"]),
        {},
        "formulas that were never computed",
    ),
    "range.csv": (b"x,town,amount\n1,Oslo,5\n2,Rome,7\nsum,,12\n", {"cells": "B1:C3"}, ""),
}


@pytest.mark.parametrize("name", FILES)
def test_a_query_reads_it_right_and_says_how(site: Site, name: str) -> None:
    data, how, told = FILES[name]
    job = site.ended(
        site.submit("query_data", files=[site.upload(name, data)], sql=f"from {name.split('.')[0]}", **how)
    )
    assert job["state"] == "succeeded"
    assert [column["type"] for column in job["result"]["columns"]] == [
        "VARCHAR",
        "BIGINT" if "formula" not in name else "VARCHAR",
    ]
    assert job["result"]["rows"] == (151 if name == "late.jsonl" else 2)
    assert job["result"]["first"][1][0] in (("Oslo",) if name == "late.jsonl" else ("Rome", "Рим"))
    notes = " ".join(job["result"].get("table_notes", []))
    assert told in notes if told else not notes
    assert not told or told in site.get(f"/jobs/{job['id']}").text


def test_all_kinds_read_the_same(site: Site) -> None:
    id, how = site.upload("two.xlsx", TWO_SHEETS), {"sheet": "Data"}
    made = {
        "import_data": {"source": id, "mapping": {"title": "town"}, "collection": "sheets"},
        "build_report": {"source": id, "template": "summary", "measures": "sum(amount)"},
        "convert_files": {"files": [id], "to": "csv"},
        "generate_texts": {"source": id, "prompt": "{town}"},
        "embed_texts": {"source": id, "text_column": "town"},
        "moderate_content": {"source": id, "text_column": "town"},
    }
    jobs = {kind: site.submit(kind, **params, **how) for kind, params in made.items()}
    ended = {kind: site.ended(job) for kind, job in jobs.items()}
    assert {kind: job["state"] for kind, job in ended.items()} == dict.fromkeys(made, "succeeded")
    assert ended["build_report"]["result"]["rows_read"] == 2
    assert [item["input"]["town"] for item in site.items(jobs["generate_texts"])] == ["Oslo", "Rome"]
    [converted] = ended["convert_files"]["files"]
    assert site.get(f"/api/v1/files/{converted['id']}").text == "\ufefftown,amount\r\nOslo,5\r\nRome,7\r\n"
    assert all(
        "row 2" in str(job["result"].get("table_notes") or site.items(jobs[kind])) for kind, job in ended.items()
    )


def test_wrong_choices_are_refused_at_their_field(site: Site) -> None:
    id = site.upload("two.xlsx", TWO_SHEETS)
    for how, field in (
        ({"header_row": "first"}, "header_row"),
        ({"cells": "x"}, "cells"),
        ({"sheet": "Nope"}, "files"),
    ):
        answer = site.try_submit("query_data", {"files": [id], "sql": "from two", **how})
        assert answer.status == 422
        assert [error["field"] for error in answer.json["errors"]] == [field]
