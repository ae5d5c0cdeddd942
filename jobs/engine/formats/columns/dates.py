"""Which dates and times a column holds: the order of day and month, the zone, and the type that keeps them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from jobs.engine.formats.columns.column import Choices, Column, ColumnFormat, Hints, SortCount
from jobs.engine.formats.columns.texts import (
    ANY_ORDER,
    DAY_FIRST,
    MONTH_FIRST,
    YEAR_FIRST,
    ClockText,
    DateText,
    Evidence,
    NumberText,
    OtherText,
)

ORDERS = {"day first": DAY_FIRST, "month first": MONTH_FIRST, "year first": YEAR_FIRST}
WORDS = {order: words for words, order in ORDERS.items()}
DATE_NAME = re.compile(
    "(?i)date|day|datum|tag(?![a-z])|fecha|data(?![a-z])|dia(?![a-z])|time|when|jour|dag(?![a-z])|birth|geburt|_at$|_on$|period"
)


class DateReading(NamedTuple):
    """The order that most values have, the values that have it, and whether that is a guess."""

    order: int
    fitting: Sequence[tuple[DateText, SortCount]]
    guessed: bool


def sure_order(column: Column) -> int:
    """The order that all dates of the column have and that is the only one; else 0."""
    found = [one for one, _ in column.of(DateText)]
    if not found or len(found) != len(column.seen):
        return 0
    fits = [order for order in (DAY_FIRST, MONTH_FIRST) if all(one.orders & order for one in found)]
    return fits[0] if len(fits) == 1 else 0


def reading(column: Column, choices: Choices, hints: Hints) -> DateReading:
    found = list(column.of(DateText))
    fits = {order: sum(seen.count for one, seen in found if one.orders & order) for order in WORDS}
    most, guessed = max(fits.values(), default=0), False
    if choices.dates != "auto" and fits[ORDERS[choices.dates]]:
        order = ORDERS[choices.dates]
    elif fits[DAY_FIRST] == fits[MONTH_FIRST] == most:
        guessed = any(one.differs for one, _ in found)
        order = MONTH_FIRST if hints.month_first else DAY_FIRST
    else:
        order = next(order for order in WORDS if fits[order] == most)
    return DateReading(order, [(one, seen) for one, seen in found if one.orders & order], guessed)


def typed(column: Column, choices: Choices, hints: Hints) -> ColumnFormat:
    """The format of a column that has nothing but dates; text where a date would lose something."""
    read = reading(column, choices, hints)
    kinds = [one for one, _ in read.fitting]
    if len(kinds) < len(column.seen):
        return _as_text(column, "no order of day and month fits all its dates")
    if len({one.zone for one in kinds}) > 1:
        return _as_text(column, "some of its times have a zone and others have none")
    if any(one.fine for one in kinds):
        return _as_text(column, "its times are finer than a microsecond")
    if any(one.short_year and one.dashes and one.shape == "numeric" for one in kinds) and not _named_or_chosen(
        column, choices
    ):
        return ColumnFormat(column.name)  # 12-05-01 may be a part's number
    return _format(column, read)


def wanted(column: Column, choices: Choices, hints: Hints) -> ColumnFormat | None:
    """The format of a column in which dates are wanted; None if it has none."""
    read = reading(column, choices, hints)
    parts: list[Evidence] = [one for one, _ in column.of(OtherText) if one.partial]
    parts += [one for one, _ in column.of(NumberText) if one.day or (one.plain == "whole" and one.whole[0] == 4)]
    if not read.fitting and not parts:
        return None
    misfits, examples = column.misfits([*(one for one, _ in read.fitting), *parts])
    made = _format(column, read)
    type_name = "TIMESTAMPTZ" if any(one.zone for one, _ in read.fitting) else "TIMESTAMP"
    return ColumnFormat(
        column.name,
        type_name,
        "date",
        made.says,
        made.guess,
        misfits=misfits,
        examples=examples,
        order=read.order,
        shapes=made.shapes,
        partial=bool(parts),
    )


def partly(column: Column) -> bool:
    """Whether all its values are dates, months, or days such as 20260325, and its name says that they are."""
    months = all(
        isinstance(one, DateText)
        or (isinstance(one, NumberText) and one.day)
        or (isinstance(one, OtherText) and one.partial)
        for one in column.seen
    )
    return months and (DATE_NAME.search(column.name) is not None or not column.count(NumberText))


def compact(column: Column, choices: Choices) -> ColumnFormat | None:
    """The format of a column of dates such as 20260325; None where it can as well be a number."""
    days = all(isinstance(one, NumberText) and one.day for one in column.seen)
    if not days or not _named_or_chosen(column, choices):
        return None
    return ColumnFormat(column.name, "DATE", "date", "dates like 20260325", partial=True)


def clock(column: Column, choices: Choices, hints: Hints) -> ColumnFormat:
    """The format of a column that has nothing but times of day, or nothing but lengths of time."""
    kinds = [one for one, _ in column.of(ClockText)]
    styles = {one.style for one in kinds}
    of_day = all(one.day for one in kinds)
    if of_day and styles in ({"hh:mm:ss"}, {"hh:mm"}):
        minutes = styles == {"hh:mm"}
        return ColumnFormat(column.name, "TIME", "plain", "times of day", minutes=minutes)
    if styles == {"half days"}:
        return ColumnFormat(column.name, "TIME", "clock", "times of day")
    if styles <= {"hh:mm:ss", "h:mm:ss"}:
        return ColumnFormat(column.name, "INTERVAL", "plain", "lengths of time")
    return ColumnFormat(column.name)  # 3:45 may be minutes and seconds


def _format(column: Column, read: DateReading) -> ColumnFormat:
    kinds = [one for one, _ in read.fitting]
    clocks = {one.clock for one in kinds}
    zone = any(one.zone for one in kinds)
    type_name = "TIMESTAMPTZ" if zone else "TIMESTAMP" if True in clocks else "DATE"
    iso = {one.iso for one in kinds}
    reads: Literal["plain", "date"] = "plain" if "" not in iso else "date"
    letter = next(iter(iso)) if len(iso) == 1 and iso <= {"T", " "} else ""
    plain_order = all(one.orders == ANY_ORDER for one in kinds)
    says = "" if reads == "plain" and not zone else "dates" if plain_order else f"dates, {WORDS[read.order]}"
    says = "times, by UTC" if zone else says
    return ColumnFormat(
        column.name,
        type_name,
        reads,
        says,
        _guess(column, read),
        order=read.order,
        shapes=tuple(sorted({one.shape for one in kinds})),
        letter=letter,
    )


def _guess(column: Column, read: DateReading) -> str:
    if not read.guessed:
        return ""
    example = next(seen.example.strip() for one, seen in read.fitting if one.differs)
    other = WORDS[DAY_FIRST if read.order == MONTH_FIRST else MONTH_FIRST]
    return (
        f"{column.name}: “{example}” was read with the {WORDS[read.order]}, and all its dates can be read either way. "
        f"If that is wrong, choose “{other}” as the order of dates."
    )


def _named_or_chosen(column: Column, choices: Choices) -> bool:
    return choices.dates != "auto" or DATE_NAME.search(column.name) is not None


def _as_text(column: Column, why: str) -> ColumnFormat:
    return ColumnFormat(column.name, note=f"{column.name} stayed text: {why}.")
