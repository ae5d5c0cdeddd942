"""Whatever bytes and texts come in, what comes out is a value that can be kept, or one of our own errors in a sentence."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy
import openpyxl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, FieldError, LegworkError
from jobs.engine.formats import tables, text_templates
from jobs.engine.formats.tables import describe_here
from jobs.engine.kits.reports import measures
from jobs.engine.kits.simulation import distributions
from jobs.engine.kits.simulation.formulas import Formula, FormulaError
from jobs.engine.kits.sql.names import column_names, table_names
from jobs.engine.library.chunking import chunks
from jobs.engine.llm import json_schema
from jobs.engine.mail import mail_merge
from jobs.engine.mail.addresses import parse_address as address
from jobs.engine.mail.compose import plain_text_of
from jobs.engine.queue import cron
from jobs.engine.sandbox import http
from jobs.engine.sandbox import sanitize_html as sandbox_html

# Bytes that mean something to one of the readers.
MEANT = [
    *(b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\x00", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 400,
        b'"\\ud800"',
        b'"\\u0000"',
    ),
    *(
        b'{"a": 1}',
        b'{"a": 1, "a": 2}',
        b"a,b\n",
        b"1,2\n",
        b"\xe9",
        b"\x80",
        b"\xf0\x9f\x98",
        b"a\x00b\x00",
        b"=1+1",
        b"\x1a",
    ),
]
BYTES = st.binary(max_size=200) | st.lists(st.sampled_from(MEANT), max_size=30).map(b"".join)
NAMES = st.sampled_from(["x.csv", "x.tsv", "x.json", "x.jsonl", "x.txt", "x", "x.xlsx", "x.parquet"])
TEXT = st.text(max_size=120)
WORDS = "x y 1 .5 1e308 9e999 + - ** * / // % ( ) , max where if else not and < == . [ ] = ' \" : lambda \t é _"
CODE = st.lists(st.sampled_from([*WORDS.split(" "), "\n", "\x00"]), max_size=14).map(" ".join)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def kept(row: dict[str, Any]) -> None:
    """Postgres and JSON take it, and give it back as it is."""
    written = jsonsafe.dumps(row)
    assert "\\u0000" not in written.replace("\\\\", "")
    assert json.loads(written) == row
    written.encode("utf-8")


def in_a_sentence(error: Exception) -> None:
    assert str(error).endswith((".", "?", ")", "”")) and len(str(error)) < 2_000, str(error)


@pytest.mark.slow
@settings(max_examples=400)
@given(content=BYTES, name=NAMES)
def test_any_bytes_are_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    assume(not content.startswith((b"PK", b"PAR1")))  # those are opened in a child; see below
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for look in (lambda: tables.describe_here(path, name).first, lambda: tables.read(path, name)):
        try:
            for row in look():
                kept(row)
        except BadInput as error:
            in_a_sentence(error)


@cache
def workbook() -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["name", "day", "price"], ["a", datetime(2026, 1, 2), 1.5], ["=1+1", None, True]):
        book.active.append(row)
    book.save(content)
    return content.getvalue()


@settings(max_examples=120)
@given(data=st.data())
def test_a_workbook_with_any_wrong_byte_is_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Wrong in its archive, and wrong in a part of it."""
    with zipfile.ZipFile(io.BytesIO(workbook())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(parts)))
        parts[name] = _spoilt(data, parts[name])
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for part, inside in parts.items():
                archive.writestr(part, inside)
        spoilt = content.getvalue()
    else:
        spoilt = _spoilt(data, workbook())
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    path.write_bytes(spoilt)
    try:
        for row in describe_here(path, path.name).first:
            kept(row)
    except BadInput as error:
        in_a_sentence(error)


def _spoilt(data: st.DataObject, content: bytes) -> bytes:
    place = data.draw(st.integers(0, len(content) - 1))
    gone = data.draw(st.sampled_from([0, 1, 7, len(content)]))
    return content[:place] + data.draw(st.binary(max_size=4) | st.sampled_from(MEANT)) + content[place + gone :]


@settings(max_examples=300)
@given(text=TEXT | CODE)
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        formula = Formula(text)
    except FormulaError as error:
        in_a_sentence(error)
        return
    assume(set(formula.names) <= {"x", "y"})
    value = formula.value({"x": numpy.array([-2.0, 0.0, 3.0]), "y": numpy.array([1.0, 2.0, 4.0])})
    assert numpy.asarray(value).dtype.kind in "fbi"


@given(text=TEXT, html=TEXT | CODE, row=st.dictionaries(st.text(max_size=9), JSON, max_size=3))
def test_any_mailing_is_judged_and_any_row_goes_into_it(text: str, html: str, row: dict[str, Any]) -> None:
    written = {"subject": text, "text": text, "html": html, "list_unsubscribe": text}
    assert all(
        isinstance(one, FieldError) and one.message for one in mail_merge.merge_errors(written, list(row), "t.csv")
    )
    with suppress(BadInput):
        assert isinstance(text_templates.parse_template(text).render(row), str)
    assert isinstance(text_templates.fill_in(text, row), str | None)


def _distribution(text: str) -> Any:
    return distributions.parse({"distribution": text, "low": 1, "high": text})


TAKEN: list[Callable[[str], Any]] = [
    address,
    http.check,
    lambda text: cron.upcoming_runs(*cron.checked_cron(text, "Europe/Berlin"), 3, datetime(2026, 3, 29, tzinfo=UTC)),
    lambda text: cron.checked_cron("0 9 * * *", text),
    lambda text: measures.parse(text, ["amount", "day"]),
    lambda text: measures.columns_in(text, ["amount", "day"]),
    plain_text_of,
    sandbox_html.check,
    lambda text: list(chunks(text, 20, 5)),
    lambda text: [table_names([text, text]), column_names([text, text])],
]


@pytest.mark.slow
@settings(max_examples=300)
@given(text=TEXT | CODE | st.text(alphabet="0123456789*/,-# LW@.<>:[]\\%éa\u200b\x00", max_size=40))
@pytest.mark.parametrize("take", TAKEN, ids=range(len(TAKEN)))
def test_any_text_is_taken_or_refused(take: Callable[[str], Any], text: str) -> None:
    try:
        take(text)
    except LegworkError as error:
        in_a_sentence(error)


@given(value=JSON)
def test_any_value_is_a_distribution_and_a_schema_or_refused(value: Any) -> None:
    for read in (distributions.parse, lambda given: _distribution(str(given))):
        with suppress(FormulaError, ValueError):
            read(value)
    if isinstance(value, dict):
        assert json_schema.schema_error(value) is None or isinstance(json_schema.schema_error(value), str)
    json.loads(jsonsafe.dumps(jsonsafe.clean(value)))
