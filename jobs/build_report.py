"""Build a report from a table.

Sums, means and counts by group or over time, with a chart, as PDF, HTML, Excel or Word. All numbers are computed from all rows
of the table. A language model may describe them, but may use only computed numbers.

Numbers and dates are read as people write them ($1,200.50, 1.234,50, 15 %, 25/03/2026), in one way for the whole column; times with
an offset by UTC. What is no number or no date is left out, counted and shown.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator

from jobs.engine import llm
from jobs.engine.formats import columns
from jobs.engine.formats.tables import TableInfo
from jobs.engine.kits import conversion, reports
from jobs.engine.kits.reports import measures as reports_measures
from jobs.engine.kits.reports import narrative as reports_narrative
from jobs.engine.sdk import (
    BadInput,
    Chart,
    ColumnParams,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    KindResult,
    Output,
    Recipe,
    TableFile,
    figure,
    param,
)

TITLE = "Build a report"
GROUP = "Data and numbers"
WORDS = "chart, pdf, excel, word, weekly, monthly, summary, dashboard, pivot, statistics, graph"
QUEUE = "cpu"
NEEDS = ("duckdb", "pypandoc", "typst", "manimgx_fonts", "manimgx_fonts_cjk", "vl_convert", "xlsxwriter")
NOUN = ("text", "texts")  # the only item is the model's summary
ONE_PIECE = True
RESULT_TEMPLATE = "jobs/results/build_report.html"

ROWS_PER_SECOND = 60_000
SECONDS = 8.0  # for charts and pages
CHARTED = 60  # points of the chart on the job's page
MOST_KEYS = 3

Listed = Annotated[str, BeforeValidator(reports_measures.written)]


class MeasureRow(BaseModel):
    how: Literal["sum", "mean", "median", "min", "max", "count"] = param(
        "What",
        words={"sum": "Sum", "mean": "Mean", "median": "Median", "min": "Least", "max": "Most", "count": "Number"},
    )
    column: str = param("Of", columns_of="source", names=("*",), words={"*": "all rows"})


class Params(ColumnParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet.")
    title: str = param("Title", default="Report", min_length=1, max_length=200)
    template: str = param(
        "Template",
        "summary, grouped or timeseries; or Markdown of your own, with {totals}, {groups}, {periods}, {chart}, {narrative}, "
        "{facts}, {notes} and single figures such as {count(*)} in braces.",
        default="summary",
        widget="text",
        min_length=1,
        max_length=50_000,
    )
    measures: Listed = param(
        "Measures",
        "What is computed of which column.",
        default="count(*)",
        columns_of="source",
        rows=MeasureRow,
        max_length=2_000,
    )
    group_by: Listed = param(
        "Group by",
        "Up to three columns. None: no groups.",
        default="",
        widget="columns",
        columns_of="source",
        max_length=600,
    )
    format: Literal["pdf", "html", "xlsx", "docx"] = param("Format", default="pdf")
    narrative: Literal["none", "llm"] = param(
        "Text",
        "A summary by a language model. It is rejected if it has numbers that were not computed.",
        default="none",
        words={"none": "Without", "llm": "Written by the model (llm)"},
    )
    date_column: str = param(
        "Column with the dates",
        "For reports over time. Empty: the first column with dates.",
        default="",
        columns_of="source",
        advanced=True,
        max_length=200,
    )
    period: Literal["auto", "day", "week", "month", "quarter", "year"] = param("Period", default="auto", advanced=True)
    most_groups: int = param(
        "Groups shown",
        "The largest ones by the first measure; the others are combined.",
        default=50,
        ge=1,
        le=500,
        unit="groups",
        advanced=True,
    )
    model: str = param(
        "Model",
        "Empty: the configured model.",
        default="",
        only_if={"narrative": ["llm"]},
        advanced=True,
        max_length=200,
    )


ITEMS_APART = True

COLUMNS = (ItemColumn("text", "Summary", "markdown"), ItemColumn("note", "Remark", "text"))


class Result(KindResult):
    rows_read: int = figure("Rows read", type="number")
    rows_used: int = figure("Rows used", type="number")
    data_as_of: str = figure("Data as of", type="date", shown="never")
    preview: dict[str, Any] = figure("Preview", shown="never")


EXAMPLE = {
    "source": "sample:sales.csv",
    "title": "Sales of the first half-year",
    "template": "timeseries",
    "measures": "sum(amount), sum(quantity), mean(amount), count(*)",
    "group_by": "region",
    "format": "pdf",
}

RECIPES = (
    Recipe(
        "Monthly sales report",
        EXAMPLE | {"title": "Sales by month", "measures": "sum(amount), count(*)", "period": "month", "group_by": ""},
    ),
)


def check(params: Params, find: Find) -> list[FieldError]:
    try:
        table = find(params.source).table(params.reading)
    except BadInput as error:
        return [FieldError("source", error.message)]
    errors = [
        *_errors_of(
            "measures",
            lambda: reports_measures.check_numbers(reports_measures.parse(params.measures, table.columns), table.first),
        ),
        *_errors_of("group_by", lambda: _keys(params, table)),
        *_errors_of("date_column", lambda: _date(params, table)),
    ]
    if not errors:
        errors = _errors_of("template", lambda: reports.check_template(params.template.strip(), _names(params, table)))
    if params.narrative == "llm" and (missing := llm.setup_error()):
        errors.append(FieldError("narrative", missing))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    table = find(params.source).table(params.reading)
    rows = table.rows or 0
    calls = 1 if params.narrative == "llm" else None
    return Estimate(
        notes=tuple(columns.first_guesses(table.columns, table.first, params.column_choices, table.delimiter)),
        calls=calls,
        tokens=calls and 1_000 + reports_narrative.LONGEST,
        seconds=round(SECONDS + rows / ROWS_PER_SECOND, 1),
    )


def label(params: Params, find: Find) -> str:
    return f"{params.title} from {find(params.source).name}"


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    source = context.open(params.source)
    table = source.table(params.reading)
    plan = _plan(params, table)
    context.progress(note="Computing the figures")
    stored = context.once("figures", lambda: _figures(params, plan, context))
    figures = reports.completed(stored, len(plan.measures))
    narrated = params.narrative == "llm" and bool(figures["rows_used"])
    text, notes = _narrated(params, plan, figures, context) if narrated else ("", [])
    report = reports.Report(
        title=params.title,
        source=source.name,
        as_of=figures["as_of"],
        template=params.template.strip(),
        keys=plan.group_by,
        labels=[
            f"{one.label} ({unit})" if unit else one.label
            for one, unit in zip(plan.measures, figures["units"], strict=True)
        ],
        names=[one.name for one in plan.measures],
        figures=figures,
        narrative=text,
        notes=[*table.notes, *notes],
    )
    context.progress(note="Writing the report")
    with _folder() as folder:
        path, warnings = reports.render(report, params.format, folder, context.check)
        context.save(f"{params.title[:120]}.{params.format}", path, conversion.media_type(params.format))
    return {
        **{"rows_read": figures["rows_read"], "rows_used": figures["rows_used"], "data_as_of": figures["as_of"]},
        "left_out": figures["left_out"],
        "seconds": round(time.monotonic() - began, 1),
        "chart": _chart(report),
        "preview": reports.preview(report, [*figures["notes"], *report.notes, *warnings]),
    }


def _chart(report: reports.Report) -> Chart | None:
    """The first measure by period or group, as the report has it."""
    figures = report.figures
    rows = figures["periods"] or (figures["groups"] or {}).get("rows") or []
    width = 1 if figures["periods"] else len(report.keys)
    points = [(" · ".join(map(str, row[:width])), row[width]) for row in rows[:CHARTED]]
    if len(points) < 2 or not all(value is None or isinstance(value, int | float) for _, value in points):
        return None
    return Chart("line" if figures["periods"] else "bars", points, report.labels[0])


# The params applied to the table. These functions raise BadInput.


def _errors_of(field: str, look: Any) -> list[FieldError]:
    try:
        look()
    except BadInput as error:
        return [FieldError(field, error.message)]
    return []


def _plan(params: Params, table: TableInfo) -> reports.ReportPlan:
    return reports.ReportPlan(
        measures=reports_measures.parse(params.measures, table.columns),
        group_by=_keys(params, table),
        date=_date(params, table),
        period=params.period,
        most_groups=params.most_groups,
        options=table.options,
        choices=params.column_choices,
    )


def _keys(params: Params, table: TableInfo) -> list[str]:
    keys = reports_measures.columns_in(params.group_by.strip(), table.columns)
    if len(keys) > MOST_KEYS:
        raise BadInput(f"These are {len(keys)} columns; a report can be grouped by at most {MOST_KEYS}.")
    if not keys and params.template.strip() == "grouped":
        raise BadInput(f"The template grouped needs a column to group by. There are: {', '.join(table.columns[:12])}.")
    return keys


def _date(params: Params, table: TableInfo) -> str:
    """The column of a report over time; empty for other reports."""
    if params.date_column and params.date_column not in table.columns:
        raise BadInput(reports_measures.no_column(params.date_column, table.columns))
    if params.date_column or (params.template.strip() != "timeseries" and "{periods}" not in params.template):
        return params.date_column
    for column in columns.of_rows(table.columns, table.first):
        if columns.is_dated(column):
            return column.name
    if not table.first:
        return next((column for column in table.columns if "date" in column.lower()), table.columns[0])
    raise BadInput("No column of the table has dates such as 2026-03-31. Name one, or choose another template.")


def _names(params: Params, table: TableInfo) -> list[str]:
    return [one.name for one in reports_measures.parse(params.measures, table.columns)]


# The work.


def _figures(params: Params, plan: reports.ReportPlan, context: Context) -> dict[str, Any]:
    source = context.open(params.source)
    read = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    with source.path() as path, _folder() as folder:
        return reports.compute(path, source.name, plan, folder, context.check) | {"as_of": read}


def _narrated(
    params: Params, plan: reports.ReportPlan, figures: dict[str, Any], context: Context
) -> tuple[str, list[str]]:
    """The summary, and notes on why there is none."""
    context.progress(note="Writing the text")
    summary = ["", "The model's summary was lost when the job was interrupted."]

    async def write(_: str, model: llm.Chat) -> Output:
        text, note, tokens = await reports_narrative.written(model, params.model, params.title, figures, plan)
        summary[:] = text, note
        return Output({"text": text, "note": note}, *tokens)

    def ask() -> list[str]:
        context.map(write, ["narrative"], total=1, using=llm.open_client())
        return summary

    text, note = context.once("narrative", ask)
    return text, [note] if note else []


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="legwork-report-", ignore_cleanup_errors=True) as name:
        yield Path(name)
