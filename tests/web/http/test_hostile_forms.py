"""Whatever is posted to a kind, by its form or its API: a job, or a refusal in a sentence; no fault, no changed record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.kinds import catalogue

ODD = [
    *(
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "NaN",
        "1_000",
        "\u0661\u0662\u0663",
        "9" * 400,
        "null",
        "true",
        "[]",
        "{}",
        "[" * 200,
    ),
    *(
        "\x00",
        "\ud800",
        "\u202e",
        "=1+1",
        "{",
        "}",
        "{{",
        "{0}",
        "{a.__class__}",
        "sample:../../etc/passwd",
        "sample:none.csv",
    ),
    *(
        "01a20a1b-34da-72c9-8e9a-c189b7d6b90f",
        "9999-12-31T23:59:59Z",
        "0000-01-01",
        "'; drop table jobs; --",
        "<script>",
    ),
    *("select 1; select 2", "x" * 3_000, "a@b.c, d@e.f", "http://127.0.0.1/", "../x", "a\r\nb: c"),
]
TEXT = st.sampled_from(ODD) | st.text(max_size=60)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KINDS = ["query_data", "simulate", "send_emails", "build_report", "run_tools", "questions"]
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
COUNTED = ("jobs", "files", "documents", "schedules", "conversations", "accounts")


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def token(client: FlaskClient) -> str:
    return re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/kinds/nap").text)[0]


def records() -> list[int]:
    with postgres.session() as session:
        return [int(session.scalar(text(f"select count(*) from {table}")) or 0) for table in COUNTED]


def refused(answer: Any) -> None:
    assert answer.status_code < 500, answer.text[-2_000:]
    assert "Traceback" not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
@FEW
@given(data=st.data())
def test_any_value_of_any_param(client: FlaskClient, name: str, data: st.DataObject) -> None:
    kind = catalogue.kind(name)
    fields = sorted(kind.Params.model_json_schema()["properties"])
    wrong = data.draw(st.dictionaries(st.sampled_from(fields) | TEXT, JSON, min_size=1, max_size=3))
    before = records()
    body = json.dumps(kind.example | wrong)
    answer = client.post(f"/api/v1/kinds/{name}/jobs", data=body, content_type="application/json")
    refused(answer)
    made = answer.status_code == 202
    assert made or answer.status_code in (400, 409, 413, 422), answer.text
    assert made or answer.get_json()["detail"].strip()
    assert records() == [before[0] + made, *before[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
@FEW
@given(data=st.data())
def test_any_text_in_any_field(client: FlaskClient, token: str, name: str, data: st.DataObject) -> None:
    fields = sorted(catalogue.kind(name).Params.model_json_schema()["properties"])
    others = ["_key", "_parent", "_pasted", "sample", "run_at", "notify_mail", *(f"{one}.earlier" for one in fields)]
    keys = st.sampled_from([*fields, *others])
    typed = data.draw(st.dictionaries(keys, TEXT.map(_sendable), min_size=1, max_size=5))
    before = records()
    answer = client.post(f"/kinds/{name}", data={**typed, "csrf_token": token, "check": "1"})
    refused(answer)
    assert records() == before


def _sendable(text: str) -> str:
    """As a browser sends it: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
