"""One place decides what a column is, and a query, a report and a preview have the same answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.engine.formats.columns import (
    Choices,
    Column,
    ColumnFormat,
    Hints,
    as_dates,
    as_numbers,
    converted,
    decide,
    moment_of,
    number_of,
)
from jobs.engine.formats.columns.sql import written_back
from tests.engine.formats.column_corpus import CASES, Case

DATABASE = duckdb.connect()
DATABASE.execute("set timezone = 'UTC'")


def column(texts: list[object], name: str = "column") -> Column:
    found = Column(name)
    for text in texts:
        found.add(text)
    return found


def decided(
    texts: list[object], choices: Choices | None = None, delimiter: str = ",", name: str = "column"
) -> ColumnFormat:
    [found] = decide([column(texts, name)], choices, delimiter)
    return found


def values(format: ColumnFormat, texts: list[str]) -> list[str | None]:
    sql = f"select cast({converted(format, 'x')} as varchar) from unnest($texts) t(x)"
    return [value for (value,) in DATABASE.execute(sql, {"texts": texts}).fetchall()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "|".join(case.texts)[:40])
def test_a_column_has_the_type_of_all_its_values(case: Case) -> None:
    found = decided([*case.texts], delimiter=case.delimiter, name=case.name)
    typed = DATABASE.execute(f"select {converted(found, 'x')} from (select null::varchar as x)").description
    assert str(typed[0][1]) == case.type
    if case.values != case.texts:
        assert values(found, case.texts) == case.values
    elif not case.type.startswith("DECIMAL(3"):
        assert values(found, case.texts) == case.texts


@pytest.mark.parametrize("choice", ["auto", "other"])
def test_python_reads_texts_as_the_database_does(choice: str) -> None:
    choices = Choices() if choice == "auto" else Choices(dates="month first", numbers="1.234,5")
    compared = 0
    for case in CASES:
        texts = [text for text in case.texts if text]
        found = column([*texts], case.name)
        formats = []
        with suppress(ValueError):  # several units
            formats.append(as_numbers(found, choices, Hints()))
        formats.append(as_dates(found, choices, Hints()))
        for format in filter(None, formats):
            read = number_of if format.reads == "number" else moment_of
            here = [read(format, text) for text in texts]
            sql = f"select {converted(format, 'x')} from unnest($texts) t(x)"
            there = [value for (value,) in DATABASE.execute(sql, {"texts": texts}).fetchall()]
            assert [_plain(one) for one in here] == [_plain(one) for one in there], (format, texts)
            compared += len(texts)
    assert compared > 250


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    return float(value) if isinstance(value, Decimal | int) else value


PIECES = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.from_regex(r"[-+]?[0-9]{0,4}[.,]?[0-9]{0,3}(e[-+]?[0-9]{1,2})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-(10**9), 10**9, allow_nan=False, places=2).map(str),
    st.dates(date(1, 1, 1)).map(str),
    st.datetimes().map(lambda moment: moment.isoformat(" ")),
    st.times().map(lambda moment: moment.isoformat("seconds")),
    st.sampled_from(["true", "false", "", "n/a", "007", "1.10", "1.1", "1.0", "2", "-0", "1e16", "0.00001", "12:30"]),
    st.text(max_size=6),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(PIECES, min_size=1, max_size=6)
    | st.sampled_from([1, 2, 3]).flatmap(lambda n: st.lists(PIECES, min_size=n))
)
@example(["0.00001", "1.5"])
@example(["1e16"])
@example(["-0.0", "1.5"])
@example(["12345678901234567.5"])
def test_what_is_written_back_is_the_text_or_the_column_is_text(texts: list[str]) -> None:
    found = decided([*texts])
    if found.reads != "plain":
        return
    sql = f"select {written_back(found, 'x')} from unnest($texts) t(x)"
    back = [value or "" for (value,) in DATABASE.execute(sql, {"texts": texts}).fetchall()]
    read = datetime.fromisoformat if found.type == "TIMESTAMP" else str
    assert [read(text) for text in back if text] == [read(text.strip()) for text in texts if text]


def test_a_value_late_in_a_column_counts() -> None:
    late = column(["1"] * 200_000)
    late.add("x")
    [found] = decide([late])
    assert (found.type, found.note) == ("VARCHAR", "column stayed text: 1 of its 200,001 values is no number (“x”).")
    days = column(["05/03/2026"] * 100_000)
    days.add("25/03/2026")
    assert decide([days])[0].guess == "" and values(decide([days])[0], ["05/03/2026"]) == ["2026-03-05"]


def test_a_column_takes_constant_memory() -> None:
    many = column([f"{n}.{n:02d}" for n in range(50_000)])
    texts = column([f"text {n}" for n in range(50_000)])
    assert len(many.seen) < 100 and len(texts.seen) < 10


def test_a_guess_is_said_and_can_be_chosen() -> None:
    both = ["05/03/2026", "07/04/2026"]
    found = decided([*both])
    assert "“05/03/2026” was read with the day first" in found.guess and values(found, both)[0] == "2026-03-05"
    chosen = decided([*both], Choices(dates="month first"))
    assert not chosen.guess and values(chosen, both)[0] == "2026-05-03"
    thousands = decided(["950", "1.234"], delimiter=";")
    assert "the “.” in “1.234” was read as thousands" in thousands.guess
    assert values(decided(["950", "1.234"], Choices(numbers="1,234.5"), ";"), ["1.234"]) == ["1.234"]
    assert decided(["1.5", "x"], Choices(texts=("column",))) == ColumnFormat("column")


def test_a_choice_is_for_columns_in_doubt() -> None:
    assert values(decided(["2026-03-05"], Choices(dates="day first")), ["2026-03-05"]) == ["2026-03-05"]
    assert values(decided(["1,5", "2,25"], Choices(numbers="1,234.5")), ["1,5"]) == ["1.50"]


def test_other_columns_of_the_table_help() -> None:
    money, day = column(["1.234", "950"], "money"), column(["05/03/2026"], "day")
    sure_money, sure_day = column(["1,50"], "price"), column(["3/25/2026"], "paid")
    assert [one.type for one in decide([money, sure_money])] == ["BIGINT", "DECIMAL(16,2)"]
    assert values(decide([day, sure_day])[0], ["05/03/2026"]) == ["2026-05-03"]


def test_numbers_and_dates_can_be_asked_for_though_some_values_are_none() -> None:
    found = as_numbers(column(["950", "1,234.50", "x", "$200", "?", "007", "+5", "1e3"]), Choices(), Hints())
    assert found and (found.misfits, found.examples, found.unit) == (2, ("x", "?"), "$")
    assert [float(one or 0) for one in values(found, ["1,234.50", "x", "007", "+5", "1e3"])] == [1234.5, 0, 7, 5, 1000]
    days = as_dates(column(["25/03/2026", "?", "5 March 2026", "Mar 2026", "20260405"]), Choices(), Hints())
    assert days and days.misfits == 1
    assert values(days, ["25/03/2026", "?", "Mar 2026", "20260405"]) == [
        "2026-03-25 00:00:00",
        None,
        "2026-03-01 00:00:00",
        "2026-04-05 00:00:00",
    ]
    assert (
        as_numbers(column(["a"]), Choices(), Hints()) is None and as_dates(column(["1.5"]), Choices(), Hints()) is None
    )
    with pytest.raises(ValueError, match="EUR"):
        as_numbers(column(["$5", "€3"]), Choices(), Hints())


def test_values_with_types_of_their_own_are_counted_as_written() -> None:
    assert decided([1, 2]).type == "BIGINT" and decided([Decimal("1.5"), 2.25]).type.startswith("DECIMAL")
    assert decided([date(2026, 3, 5), None]).type == "DATE" and decided([True, False]).type == "BOOLEAN"
    assert decided([{"a": 1}]).type == decided([None, ""]).type == "VARCHAR"
