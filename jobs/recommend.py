"""Recommend items to users.

From purchases, views or ratings, every user gets items that similar users chose, with the reason. Items that nobody has yet are
recommended by columns that describe them. A part of the data is held out to measure the quality, in comparison with recommending
popular items.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from jobs.engine import queue
from jobs.engine.formats import columns, exports
from jobs.engine.kits import outcomes
from jobs.engine.kits.recommendation import (
    Advisor,
    CellReader,
    Interactions,
    Wishes,
    WithNewItems,
    features_of,
    recommenders,
)
from jobs.engine.kits.recommendation import interactions as recommendation_interactions
from jobs.engine.sdk import (
    BadInput,
    ColumnParams,
    Context,
    Estimate,
    FieldError,
    Find,
    Input,
    ItemColumn,
    JobFailed,
    KindResult,
    ReadOptions,
    ShortText,
    TableFile,
    figure,
    param,
)

TITLE = "Recommend"
GROUP = "Data and numbers"
WORDS = "similar, next, rank, suggest, personalise, collaborative filtering, people who bought"
QUEUE = "cpu"
NEEDS = ("numpy",)
NOUN = ("user", "users")
RESULT_TEMPLATE = "jobs/results/recommend.html"

JUDGED = 3_000  # maximum number of users for the evaluation
FEW = 50  # users; an evaluation with fewer is not significant
DAY = 86_400  # seconds
ROWS_PER_SECOND = 100_000
METHODS = {
    "ease": "EASE, a linear model",
    "item_cosine": "Similar items",
    "popular": "The most popular",
    "auto": "By the data",
}


class Params(ColumnParams):
    interactions: TableFile = param("Interactions", "A table with one row for each user and item.")
    user_column: str = param(
        "Column of the user", default="user", min_length=1, max_length=200, columns_of="interactions"
    )
    item_column: str = param(
        "Column of the item", default="item", min_length=1, max_length=200, columns_of="interactions"
    )
    weight_column: str = param(
        "Column of the weight",
        "Such as a rating or a quantity: a row counts by its share of the largest. Empty: all rows count the same.",
        default="",
        max_length=200,
        columns_of="interactions",
    )
    time_column: str = param(
        "Column of the time",
        "If set, the latest interactions of each user are held out; otherwise random ones.",
        default="",
        max_length=200,
        columns_of="interactions",
    )
    half_life: float | None = param(
        "Half-life",
        "The number of days after which an interaction has half its weight. It needs a column of the time; plain numbers "
        "there are seconds. Empty: age does not matter.",
        default=None,
        gt=0,
        le=36_500,
        unit="days",
        advanced=True,
    )
    items: TableFile | None = param("Items", "A table with the titles of the items.", default=None)
    items_sheet: str | None = param(
        "Its sheet",
        "Of a workbook: its name or number. Empty: the first that is not hidden and has cells.",
        default=None,
        only_if={"items": True},
        max_length=200,
        advanced=True,
    )
    item_key: str = param("Its column of the item", default="item", max_length=200, columns_of="items")
    title_column: str = param("Its column of the title", default="title", max_length=200, columns_of="items")
    describing: list[ShortText] = param(
        "Its columns that describe an item",
        "Such as the genre or the author. Items that nobody has yet are then recommended to those who have similar ones.",
        default=[],
        columns_of="items",
        only_if={"items": True},
        max_length=20,
    )
    new_items: int = param(
        "New items for each user",
        "At least this many of the items that nobody has yet, where some suit the user.",
        default=1,
        only_if={"items": True},
        ge=0,
        le=100,
        unit="items",
        advanced=True,
    )
    algorithm: Literal["auto", "ease", "item_cosine", "popular"] = param(
        "Method",
        "EASE is best for up to a few thousand items; similar items work with any number; the most popular are the same for "
        "all users.",
        default="auto",
        words=METHODS,
    )
    top_n: int = param("Items for each user", default=10, ge=1, le=100, unit="items")
    exclude_seen: bool = param("Leave out items that the user has", default=True)
    holdout: float = param("Share held out to measure", "0: do not measure.", default=0.2, ge=0, le=0.5, advanced=True)
    least_weight: float = param(
        "Minimum weight",
        "Rows with less do not count, and their items are not offered to the same user again.",
        default=0.0,
        only_if={"weight_column": True},
        ge=-1e9,
        le=1e9,
        advanced=True,
    )
    least_items: int = param(
        "Minimum items of a user",
        "Users with fewer get popular items.",
        default=1,
        ge=1,
        le=100,
        unit="items",
        advanced=True,
    )
    seed: int = param("Seed", "For the choice of held-out interactions.", default=0, ge=0, lt=2**53, advanced=True)


COLUMNS = (
    ItemColumn("user", "User", "name", role="yours"),
    ItemColumn("would_like", "Would like", "text"),
    ItemColumn("has", "Has", "number"),
    ItemColumn("recommendations", "Recommendations", "tree", shown="asked"),
)


class Result(KindResult):
    users: int = figure("Users", type="number", shown="never")
    items: int = figure("Items", type="number")
    interactions: int = figure("Interactions", type="number")
    rows_left_out: int = figure("Rows left out", type="number", shown="if_any")
    algorithm: str = figure("Method", type="tag", words=METHODS)
    times_popular: float = figure("Better than the most popular", type="number", decimals=1, unit="times")
    ndcg: float = figure("NDCG", type="number", decimals=2, shown="never")
    popular: list[str] = figure("Most popular", shown="never")
    measures: dict[str, Any] = figure("Measures", shown="never")
    measured_users: int = figure("Measured users", type="number", shown="never")
    warning: str = figure("Warning", shown="never")


EXAMPLE = {
    "interactions": "sample:borrowed.csv",
    "user_column": "reader",
    "item_column": "book",
    "time_column": "borrowed",
    "items": "sample:books.csv",
    "item_key": "id",
    "describing": ["shelf"],
    "top_n": 5,
}


def check(params: Params, find: Find) -> list[FieldError]:
    named = ("user_column", "item_column", "weight_column", "time_column")
    wanted: dict[str, str] = {name: getattr(params, name) for name in named}
    errors = _missing("interactions", params.interactions, wanted, find, params.reading)
    if params.half_life is not None and not params.time_column:
        errors.append(FieldError("half_life", "This needs a column of the time. Name it, or leave this empty."))
    if params.items is not None:
        wanted = {"item_key": params.item_key, "title_column": params.title_column}
        wanted |= {f"describing.{place}": column for place, column in enumerate(params.describing)}
        errors += _missing("items", params.items, wanted, find, _items_reading(params))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    table = find(params.interactions).table(params.reading)
    read = [name for name in (params.weight_column, params.time_column) if name]
    notes = columns.first_guesses(read, table.first, params.column_choices, table.delimiter)
    return Estimate(
        seconds=None if table.rows is None else round(1 + table.rows / ROWS_PER_SECOND, 1), notes=tuple(notes)
    )


def label(params: Params, find: Find) -> str:
    return find(params.interactions).name


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    context.progress(note="Reading the interactions")
    titles, described = _items(params, context)
    data, skipped = _read(params, context, described)
    name = recommenders.fitting(data) if params.algorithm == "auto" else params.algorithm
    measured = context.once("measures", lambda: _measure(name, data, params, context)) if params.holdout else {}
    context.progress(note="Learning from all of it")
    model = recommenders.fit(name, data, context.check)
    if described:
        model = WithNewItems(model, data, [described.get(item, []) for item in data.items], context.check)
    popular = recommenders.by_popularity(data)
    popular = popular[data.uses()[popular] > 0]
    wanted = Wishes(params.top_n, params.exclude_seen, params.least_items, params.new_items if described else 0)
    advisor = Advisor(model, popular, data, titles, wanted)
    context.map(advisor.advise, range(len(data.users)), key=lambda user: data.users[user][:200], row=advisor.row)
    context.progress(note="Writing the tables")
    _save(context, "recommendations", ["user", "rank", "item", "title", "score", "because"], _long(context))
    _save(
        context,
        "similar items",
        ["item", "title", "rank", "similar", "similar_title", "score"],
        advisor.alike(context.check),
    )
    return {
        "users": len(data.users),
        "items": len(data.items),
        "interactions": len(data.rows),
        "rows_left_out": skipped,
        "algorithm": name,
        "popular": [advisor.named(int(column)) for column in popular[:10]],
        "seconds": round(time.monotonic() - began, 1),
        "found": outcomes.found(measured.get("measures") or {}, METHODS),
    } | measured


def _items_reading(params: Params) -> ReadOptions:
    return ReadOptions(sheet=params.items_sheet or None)


def _missing(field: str, ref: str, wanted: dict[str, str], find: Find, options: ReadOptions) -> list[FieldError]:
    """An error for each column that the table lacks."""
    try:
        columns = find(ref).table(options).columns
    except BadInput as error:
        return [FieldError(field, error.message)]
    known = f"There are: {', '.join(columns[:20])}."
    absent = [(name, column) for name, column in wanted.items() if column and column not in columns]
    return [FieldError(name, f"There is no column “{column}”. {known}") for name, column in absent]


def _read(params: Params, context: Context, described: Iterable[str]) -> tuple[Interactions, int]:
    """The interactions, and the number of rows that do not count: without a user or item, or with a weight that is not
    above 0, too small or no number. An item of such a row is known as seen by its user."""
    table, names = context.open(params.interactions), (params.user_column, params.item_column)
    cells, rows = _cell_reader(params, table, context), _rows(table, params.reading, context)
    gathering, skipped = recommendation_interactions.gathered(rows, names, cells, params.least_weight)
    for item in described:
        gathering.item(item)
    data = gathering.done(alike=not params.weight_column)
    if params.half_life is not None:
        data = data.aged(params.half_life * DAY)
    if not len(data.rows):
        why = f"All {skipped:,} rows were left out." if skipped else "The table has no row with a user and an item."
        raise JobFailed(f"There are no interactions. {why} Check the columns.", reason="no_interactions")
    return data, skipped


def _cell_reader(params: Params, table: Input, context: Context) -> CellReader:
    info = table.table(params.reading)
    hints = columns.table_hints(columns.of_rows(info.columns, info.first), info.delimiter)
    rows = _rows(table, params.reading, context)
    cells = CellReader(rows, params.weight_column, params.time_column, params.column_choices, hints)
    table.note(cells.notes)
    return cells


def _rows(table: Input, options: ReadOptions, context: Context) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(table.rows(options)):
        if number % 5_000 == 0:
            context.check()
        yield row


def _items(params: Params, context: Context) -> tuple[dict[str, str], dict[str, list[str]]]:
    """By item: its title, and what the columns say that describe it."""
    titles: dict[str, str] = {}
    described: dict[str, list[str]] = {}
    if params.items is None:
        return titles, described
    name = recommendation_interactions.text
    for row in _rows(context.open(params.items), _items_reading(params), context):
        item, title = name(row.get(params.item_key)), name(row.get(params.title_column))
        if item and title:
            titles[item] = title
        if item and (features := features_of(row, params.describing)):
            described[item] = features
    return titles, described


def _measure(name: str, data: Interactions, params: Params, context: Context) -> dict[str, Any]:
    """Evaluate the model on the held-out interactions, in comparison with popularity."""
    held_out = recommenders.split(data, params.holdout, params.seed)
    known, held = data.only(~held_out), data.only(held_out)
    users = [user for user in range(len(data.users)) if len(held.of(user)[0])][:JUDGED]
    measures = {}
    for each in dict.fromkeys((name, "popular")):
        context.progress(note=f"Measuring {each}")
        model = recommenders.fit(each, known, context.check)
        found = recommenders.judge(model, known, held, users, params.top_n, context.check)
        measures[each] = {what: round(value, 4) for what, value in found.items()}
    best, plain = measures[name]["ndcg"], measures["popular"]["ndcg"]
    evaluation: dict[str, Any] = {"measures": measures, "measured_users": len(users), "ndcg": best}
    evaluation["times_popular"] = round(best / plain, 2) if plain else None
    if len(users) < FEW:
        evaluation["warning"] = (
            f"Only {len(users):,} users have enough items for the evaluation, so it is not significant. It needs {FEW}."
        )
    return evaluation


def _long(context: Context) -> Iterator[dict[str, Any]]:
    """One row for each user and recommendation, including those of earlier attempts."""
    for item in queue.item_rows(queue.job(context.job.job_id, context.job.owner), "done"):
        context.check()
        for rank, one in enumerate(item["recommendations"], start=1):
            yield {"user": item["user"], "rank": rank} | one


def _save(context: Context, name: str, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory(prefix="legwork-recommend-") as folder:
        target = Path(folder) / "table"
        with target.open("wb") as opened:
            opened.writelines(exports.export(rows, columns, "csv"))
        context.save(f"{name}.csv", target, exports.FORMATS["csv"])
