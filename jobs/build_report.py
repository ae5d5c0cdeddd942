"""Build a report from a table.

Without measures it is a profile of the table: what is in each column, what is missing, distributions, correlations, outliers,
duplicates, and in words what to look at. With measures: sums, means, percentiles and others by group or over time, compared with
another table or period. As PDF, HTML, Excel or Word, with charts. All numbers are computed from all rows of the table, or those
that your filters leave. A language model may describe them, but may use only computed numbers.

Numbers and dates are read as people write them ($1,200.50, 1.234,50, 15 %, 25/03/2026), in one way for the whole column; times with
an offset by UTC. What is no number or no date is left out, counted and shown.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from jobs.engine import llm
from jobs.engine.formats import columns
from jobs.engine.formats.tables import TableInfo
from jobs.engine.kits import conversion, reports
from jobs.engine.kits.reports import form_rows, job_page, measures, planning
from jobs.engine.kits.reports import narrative as reports_narrative
from jobs.engine.sdk import (
    BadInput,
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
WORDS = (
    "chart, pdf, excel, word, weekly, monthly, summary, dashboard, pivot, statistics, graph, profile, data quality, explore, "
    "compare, missing values, outliers"
)
QUEUE = "cpu"
NEEDS = ("duckdb", "pypandoc", "typst", "manimgx_fonts", "manimgx_fonts_cjk", "vl_convert", "xlsxwriter")
NOUN = ("text", "texts")  # the only item is the model's summary
ONE_PIECE = True
RESULT_TEMPLATE = "jobs/results/build_report.html"

ROWS_PER_SECOND = 60_000
SECONDS = 8.0  # for charts and pages
MOST_COMPARED = 10_000  # groups of the other table

Listed = Annotated[str, BeforeValidator(measures.written)]


class Params(ColumnParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet.")
    title: str = param("Title", default="Report", min_length=1, max_length=200)
    template: str = param(
        "Template",
        "summary, profile, grouped or timeseries; or Markdown of your own, with {figures}, {totals}, {groups}, {periods}, "
        "{comparison}, {chart}, {narrative}, {facts}, {notes} and single figures such as {count(*)} in braces.",
        default="summary",
        widget="text",
        min_length=1,
        max_length=50_000,
    )
    measures: Listed = param(
        "Measures",
        "What is computed of which column. None: a profile of the whole table.",
        default="",
        columns_of="source",
        rows=form_rows.MeasureRow,
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
    filters: list[form_rows.FilterRow] = param(
        "Only rows where", "All of these must hold.", default=[], max_length=20, advanced=True
    )
    compare_with: TableFile | None = param(
        "Compare with",
        "The same table of another time or place: the report shows both, and the change.",
        default=None,
        advanced=True,
    )
    compare_periods: Literal["none", "before", "year"] = param(
        "Compare the last period",
        "For reports over time.",
        default="none",
        words={"none": "With none", "before": "With the one before", "year": "With that of the year before"},
        advanced=True,
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
    Recipe("Look into an unknown table", {"source": "sample:sales.csv", "title": "What is in the sales"}),
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
    wanted = params.measures
    errors = [
        *_errors_of("measures", lambda: measures.check_numbers(measures.parse(wanted, table.columns), table.first)),
        *_errors_of("group_by", lambda: planning.keys_of(params.group_by, params.template, table)),
        *_errors_of("date_column", lambda: _date(params, table)),
        *_errors_of("filters", lambda: reports.check_filters(_filters(params), table.columns)),
    ]
    if not errors:
        plan = _plan(params, table)
        names = [one.name for one in plan.measures]
        errors = _errors_of("template", lambda: reports.check_template(params.template.strip(), names))
        errors += _errors_of("compare_with", lambda: _check_other(params, plan, find))
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
    labels = [
        f"{one.label} ({unit})" if unit else one.label
        for one, unit in zip(plan.measures, figures["units"], strict=True)
    ]
    figures["comparison"] = _comparison(params, plan, figures, labels, context)
    narrated = params.narrative == "llm" and bool(figures["rows_used"])
    text, notes = _narrated(params, plan, figures, context) if narrated else ("", [])
    report = reports.Report(
        title=params.title,
        source=source.name,
        as_of=figures["as_of"],
        template=params.template.strip(),
        keys=plan.group_by,
        labels=labels,
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
        "chart": job_page.chart(report),
        "comparison": job_page.comparison_table(figures["comparison"]),
        "preview": reports.preview(report, [*figures["notes"], *report.notes, *warnings]),
    }


# The params applied to the table. These functions raise BadInput.


def _errors_of(field: str, look: Any) -> list[FieldError]:
    try:
        look()
    except BadInput as error:
        return [FieldError(field, error.message)]
    return []


def _plan(params: Params, table: TableInfo) -> reports.ReportPlan:
    profile = params.compare_with is None and planning.is_profile(params.template, params.measures, params.group_by)
    return reports.ReportPlan(
        measures=[] if profile else measures.parse(params.measures, table.columns),
        group_by=[] if profile else planning.keys_of(params.group_by, params.template, table),
        date="" if profile else _date(params, table),
        period=params.period,
        most_groups=params.most_groups,
        options=table.options,
        choices=params.column_choices,
        profile=profile,
        known=table.columns,
        filters=_filters(params),
    )


def _filters(params: Params) -> list[reports.Filter]:
    return [row.filter for row in params.filters]


def _date(params: Params, table: TableInfo) -> str:
    return planning.date_of(params.date_column, params.template, table, params.compare_periods != "none")


def _check_other(params: Params, plan: reports.ReportPlan, find: Find) -> None:
    if params.compare_with:
        planning.check_other(plan.columns, find(params.compare_with).table(params.reading).columns)


# The work.


def _figures(params: Params, plan: reports.ReportPlan, context: Context) -> dict[str, Any]:
    read = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return _computed(params.source, plan, context) | {"as_of": read}


def _computed(ref: str, plan: reports.ReportPlan, context: Context) -> dict[str, Any]:
    source = context.open(ref)
    with source.path() as path, _folder() as folder:
        return reports.compute(path, source.name, plan, folder, context.check)


def _comparison(
    params: Params, plan: reports.ReportPlan, figures: dict[str, Any], labels: list[str], context: Context
) -> reports.Comparison | None:
    if params.compare_with and figures["rows_used"]:
        context.progress(note="Computing the figures of the other table")
        ref, table = params.compare_with, context.open(params.compare_with).table(params.reading)
        every = replace(plan, most_groups=MOST_COMPARED, options=table.options, known=table.columns)
        stored = context.once("figures of the other", lambda: _computed(ref, every, context))
        other = reports.completed(stored, len(plan.measures))
        names = context.open(ref).name, context.open(params.source).name
        return reports.of_tables(figures, other, names, plan.group_by, labels)
    if params.compare_periods != "none" and figures["periods"]:
        return reports.of_periods(figures, params.compare_periods, labels)
    return None


def _narrated(
    params: Params, plan: reports.ReportPlan, figures: dict[str, Any], context: Context
) -> tuple[str, list[str]]:
    """The summary, and notes on why there is none."""
    context.progress(note="Writing the text")
    summary = ["", "The model's summary was lost when the job was interrupted."]

    async def write(_: str, model: llm.Chat) -> Output:
        text, note, bill = await reports_narrative.written(model, params.model, params.title, figures, plan)
        summary[:] = text, note
        return Output({"text": text, "note": note}, bill=bill)

    def ask() -> list[str]:
        context.map(write, ["narrative"], total=1, using=llm.open_client())
        return summary

    text, note = context.once("narrative", ask)
    return text, [note] if note else []


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="legwork-report-", ignore_cleanup_errors=True) as name:
        yield Path(name)
