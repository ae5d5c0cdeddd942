"""The columns of a job's items: those that its kind describes, and those of the person's table, by what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.engine import queue
from jobs.engine.db import models
from jobs.engine.display import as_text
from jobs.engine.kinds import ItemColumn, Kind, label_of
from webapp.results import ended, values

OF_RUN = (
    ItemColumn("_tokens", "Tokens", "tokens", role="run", shown="asked"),
    ItemColumn("_cost", "Cost in dollars", "money", role="run", shown="asked"),
    ItemColumn("_seconds", "Took", "seconds", role="run", shown="asked"),
    ItemColumn("_ended", "Ended", "date", role="run", shown="asked"),
)
SHORT = 28  # characters on average of what is a word, not a text
MOST_TAGS = 12
MOST_DECIMALS = 6
MOST_COLUMNS = 300  # that a person can choose from
_NAME = re.compile(r"(^|[\s_])(title|name|subject|product|film|file|label|caption|headline)s?$", re.I)
_MARK = re.compile(r"(?=[^0-9]*[0-9])[0-9a-f-]{16,}", re.I)  # a checksum or an id
_MEDIA_TYPE = re.compile(r"(application|audio|font|image|message|model|text|video)/[\w.+-]+(;.*)?", re.ASCII)
_NUMBERED = re.compile(r"(^|[\s_.])(id|nr|no|number|year|zip|code|phone|postcode|isbn|ean|sku)$", re.I)


def of_job(job: queue.JobView, kind: Kind | None) -> list[ItemColumn]:
    """The columns by its first items."""
    if not job.ended:
        return columns_of(job, kind, queue.sample(job) if job.finished else [])
    return ended.remembered(job, "columns", lambda: columns_of(job, kind, queue.sample(job)))


def columns_of(job: queue.JobView, kind: Kind | None, rows: Sequence[models.Item]) -> list[ItemColumn]:
    """All columns, in the order in which they are shown: the row's name, what was made, the person's, of the run."""
    known = {one.name: one for one in (kind.columns(job.params) if kind and kind.available else ())}
    made, yours = _values(row.output for row in rows), _values(row.input for row in rows)
    found = [_typed(_known(known, name), name, some, "made") for name, some in _ordered(made, known)]
    found += [_typed(known.get(name), name, some, "yours") for name, some in _ordered(yours, known) if name not in made]
    found = [one for one in found[:MOST_COLUMNS] if one.type != "hidden" and one.shown != "never"]
    with_name = named(found, yours)
    first = [one for one in with_name if one.type == "name"]
    there = [one for one in OF_RUN if _is_there(one.name, rows)]
    return [*first, *(one for one in with_name if one.type != "name"), *there]


def first_shown(columns: Sequence[ItemColumn]) -> list[str]:
    """The names of the columns that are shown until the person chooses others: at most seven."""
    open_ = [one for one in columns if one.shown == "always" and one.role != "run"]
    made = [one.name for one in open_ if one.role == "made" or one.type == "name"][:5]
    return made + [one.name for one in open_ if one.name not in made][: max(7 - len(made), 2)]


def value_of(item: models.Item, name: str) -> Any:
    """What stands in a column: the output's value, or else the input's."""
    if name.startswith("_") and (
        run := {"_tokens": item.tokens, "_cost": item.cost, "_seconds": item.seconds, "_ended": item.finished_at}.get(
            name
        )
    ):
        return run
    output, given = item.output or {}, item.input or {}
    return output[name] if name in output else given.get(name)


def is_long(column: ItemColumn) -> bool:
    """Whether the column is set as text to read."""
    return column.type in ("text", "markdown", "tree", "code")


def guess(name: str, some: Sequence[Any], role: str = "yours") -> ItemColumn:
    """A column for values of which nothing else is known."""
    column = ItemColumn(name, label_of(name), role="made" if role == "made" else "yours")
    there = [value for value in some if not values.is_nothing(value)]
    if not there:
        return replace(column, type="word")
    if all(isinstance(value, bool) or str(value).lower() in ("true", "false") for value in there):
        return replace(column, type="yes_no", facet=True)
    if all(values.as_number(value) is not None for value in there) and not any(_padded(value) for value in there):
        return _numeric(column, there)
    if all(values.as_moment(value) is not None for value in there):
        return replace(column, type="date")
    if any(values.structured(value) is not None for value in there):
        return replace(column, type="tree")
    texts = [as_text(value) for value in there]
    if all(_MEDIA_TYPE.fullmatch(text) for text in texts):
        return replace(column, type="media_type", facet=True)
    if role == "made" and all(_MARK.fullmatch(text) for text in texts):
        return replace(column, type="word", shown="asked")
    if sum(map(len, texts)) / len(texts) > SHORT or any("\n" in text for text in texts):
        return replace(column, type="text")
    few = len(set(texts)) <= min(MOST_TAGS, max(len(texts) // 2, 1)) and len(texts) > 3
    return replace(column, type="tag" if few and role == "made" else "word", facet=few)


def described(given: Mapping[str, Any], some: Sequence[Any]) -> ItemColumn:
    """A column as a kind's Table describes it; its type by the values, if it says none."""
    column = ItemColumn(**{name: value for name, value in given.items() if name in ItemColumn.__dataclass_fields__})
    if column.type != "auto":
        return column
    guessed = guess(column.name, some, "made")
    return replace(guessed, label=column.label, unit=column.unit)


def _numeric(column: ItemColumn, there: Sequence[Any]) -> ItemColumn:
    numbers = [found for value in there if (found := values.as_number(value)) is not None]
    whole = all(number == number.to_integral_value() for number in numbers)
    named = (
        whole
        and column.role == "yours"
        and (
            bool(_NUMBERED.search(column.name))
            or all(1000 <= number < 3000 and "." not in str(number) for number in numbers)
        )
    )
    return replace(column, type="number", decimals=0 if whole else decimals_of(there), grouped=not named)


def decimals_of(there: Iterable[Any]) -> int:
    """How many decimals a column of numbers needs: as many as its values have, but no noise of binary fractions."""
    most = 0
    for value in there:
        text = as_text(float(value) if isinstance(value, str) else value, 6 if isinstance(value, float) else 15)
        most = max(most, len(text.partition(".")[2]) if "e" not in text else 0)
    return min(most, MOST_DECIMALS)


def _padded(value: object) -> bool:
    """A number with zeros before it is a name, such as a postcode."""
    return isinstance(value, str) and bool(re.match(r"[+-]?0\d|\+", value.strip()))


def _known(known: Mapping[str, ItemColumn], name: str) -> ItemColumn | None:
    """The description of a column that was made, also where its name got a prefix because the table had one like it."""
    found = known.get(name) or known.get(name.rpartition(".")[2])
    return replace(found, name=name) if found else None


def _typed(known: ItemColumn | None, name: str, some: Sequence[Any], role: str) -> ItemColumn:
    if known is None:
        return guess(name, some, role)
    known = replace(known, role="made" if role == "made" else "yours")
    if known.type == "auto":
        guessed = guess(name, some, role)
        return replace(
            guessed,
            label=known.label,
            unit=known.unit,
            shown=known.shown,
            words=known.words,
            facet=known.facet or guessed.facet,
        )
    if known.numeric and known.decimals is None and known.type in ("number", "money"):
        there = [value for value in some if values.as_number(value) is not None]
        return replace(known, decimals=decimals_of(there))
    return known


def named(found: list[ItemColumn], yours: Mapping[str, list[Any]]) -> list[ItemColumn]:
    """With the column that names the row as one, if none is said to: short texts that differ."""
    if any(one.type == "name" for one in found):
        return found
    fitting = [
        one for one in found if one.role == "yours" and one.type in ("word", "text") and _differs(yours[one.name])
    ]
    best = next((one for one in fitting if _NAME.search(one.name)), None)
    best = best or next((one for one in fitting if one.type == "word" and not _NUMBERED.search(one.name)), None)
    return [replace(one, type="name", facet=False) if one is best else one for one in found]


def _differs(some: Sequence[Any]) -> bool:
    texts = [as_text(value) for value in some if not values.is_nothing(value)]
    return (
        len(texts) * 10 >= len(some) * 9 > 0 and len(set(texts)) * 10 >= len(texts) * 9 and max(map(len, texts)) <= 90
    )


def _values(rows: Iterable[dict[str, Any] | None]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in (row or {}).items():
            found.setdefault(name, []).append(value)
    return found


def _ordered(found: Mapping[str, list[Any]], known: Mapping[str, ItemColumn]) -> list[tuple[str, list[Any]]]:
    """Those that the kind describes first, in its order."""
    names = [name for name in known if name in found] + [name for name in found if name not in known]
    return [(name, found[name]) for name in names]


def _is_there(name: str, rows: Sequence[models.Item]) -> bool:
    return any(
        getattr(row, {"_tokens": "tokens", "_cost": "cost", "_seconds": "seconds", "_ended": "finished_at"}[name])
        for row in rows
    )
