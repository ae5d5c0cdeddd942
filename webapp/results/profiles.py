"""What is in a column, in a line and a small picture: a histogram of numbers, dates and lengths, or the shares of few values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from statistics import median
from typing import Any, NamedTuple

from jobs.engine import queue
from jobs.engine.display import as_text
from jobs.engine.kinds import ItemColumn
from webapp.results import columns, ended, values
from webapp.ui import words

PROFILED = 2_000  # rows at most; the first page of a million rows must not wait for its pictures
BINS = 16
WIDE, TALL = 8, 22  # of a bin with its gap, in the units of the picture
COLOURS = 5


class PictureBar(NamedTuple):
    """A rectangle of the picture."""

    x: float
    y: float
    width: float
    height: float
    colour: int


class Profile(NamedTuple):
    """A column in short. width: of the picture, whose height is TALL; no marks, no picture."""

    words: str
    marks: Sequence[PictureBar] = ()
    width: int = 0


def of_columns(job: queue.JobView, shown: Sequence[ItemColumn], query: queue.GridQuery) -> dict[str, Profile]:
    """The profile of each of these columns under the filter."""
    names = [one.name for one in shown]
    filtered = (query.state, query.q, query.column, sorted(query.where.items()), names, words.zone_name())
    return ended.remembered(job, ("profiles", filtered), lambda: _made(job, shown, query))


def _made(job: queue.JobView, shown: Sequence[ItemColumn], query: queue.GridQuery) -> dict[str, Profile]:
    long = {one.name for one in shown if columns.is_long(one)}
    rows = queue.column_values(job, [one.name for one in shown], query, PROFILED, lengths=long)
    return {one.name: of_values(one, [row[place] for row in rows]) for place, one in enumerate(shown)}


def of_values(column: ItemColumn, some: Sequence[Any]) -> Profile:
    """The profile of these values; of texts to read, of their lengths."""
    there = [value for value in some if not values.is_nothing(value)]
    if len(there) < 2:
        return Profile("")
    if column.type == "name":
        return Profile(f"{words.number(len(set(map(as_text, there))))} different")
    if columns.is_long(column):
        return _histogram(_numbers(there), lambda low, high: f"{low:,.0f} to {high:,.0f} characters")
    if (numbers := _numbers(there)) and column.numeric:
        return _histogram(numbers, _range(numbers, column))
    if column.type == "date" and (days := _days(there)):
        return _histogram(days, lambda low, high: f"{_day(low)} to {_day(high)}" if low < high else f"all {_day(low)}")
    return _shares(column, there)


def _numbers(there: Sequence[Any]) -> list[float]:
    found = [values.as_number(value) for value in there]
    return [float(number) for number in found if number is not None]


def _range(numbers: Sequence[float], column: ItemColumn) -> Callable[[float, float], str]:
    def said(low: float, high: float) -> str:
        if low == high:
            return f"all {values.written(low, column)}"
        if not column.grouped:
            return f"{values.written(low, column)} to {values.written(high, column)}"
        return f"median {values.written(median(numbers), column)}"

    return said


def _days(there: Sequence[Any]) -> list[float]:
    moments = [values.as_moment(value) for value in there]
    return [_noon(moment).timestamp() for moment in moments if moment is not None]


def _noon(moment: date) -> datetime:
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime(moment.year, moment.month, moment.day, 12, tzinfo=UTC)


def _day(stamp: float) -> str:
    moment = datetime.fromtimestamp(stamp, UTC)
    return f"{moment.day} {moment:%b %Y}"


def _histogram(numbers: Sequence[float], said: Callable[[float, float], str]) -> Profile:
    low, high = min(numbers), max(numbers)
    if low == high:
        return Profile(said(low, high))
    counts = Counter(min(int((number - low) / (high - low) * BINS), BINS - 1) for number in numbers)
    most = max(counts.values())
    marks = []
    for place, count in sorted(counts.items()):
        tall = round(max((TALL - 1) * count / most, 0.6), 1)
        marks.append(PictureBar(place * WIDE, round(TALL - tall, 1), WIDE - 1, tall, 1))
    return Profile(said(low, high), marks, BINS * WIDE)


def _shares(column: ItemColumn, there: Sequence[Any]) -> Profile:
    counts = Counter(map(as_text, there))
    label = f"{words.number(len(counts))} {'different' if len(counts) > len(there) / 2 else 'values'}"
    if len(counts) == 1:
        return Profile(f"all {values.written(there[0], column)}"[:24])
    if len(counts) > len(there) / 2 and len(counts) > COLOURS:
        return Profile(label)
    first = [count for _, count in counts.most_common(COLOURS if len(counts) <= COLOURS else COLOURS - 1)]
    parts = first + ([len(there) - sum(first)] if len(there) > sum(first) else [])
    marks, at = [], 0.0
    for place, count in enumerate(parts, 1):
        wide = 100 * count / len(there)
        marks.append(PictureBar(round(at, 1), 11, round(max(wide - 1, 0.3), 1), 8, place))
        at += wide
    return Profile(label, marks, 100)


def note(job: queue.JobView, query: queue.GridQuery) -> str:
    """What the pictures were made of, where that is not all rows."""
    if job.finished <= PROFILED:
        return ""
    which = "the first that match" if query.narrow or query.state else "spread over all"
    return f"The pictures above the columns are of {PROFILED:,} rows, {which}."
