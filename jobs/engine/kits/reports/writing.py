"""A report as Markdown, and as a workbook. Values from the data are escaped: never markup or formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats import text_templates
from jobs.engine.kits.reports import periods, profile_writing
from jobs.engine.kits.reports.shown_figures import escaped, in_columns, shown, table

PREVIEWED = 12  # lines
PROFILED = 60  # columns of a profile
LEADING = 4  # measures that stand large on top, as far as LETTERS of them fit into a line
LETTERS = 44
NOTHING = "The table has no rows that can be used, so nothing was computed."
_TOP = "{figures}\n\n{finding}\n\n{narrative}\n\n{chart}\n\n"
_END = "{comparison}\n\n{notes}\n\n{facts}\n"
BUILT_IN = {
    "summary": f"{_TOP}{{groups}}\n\n{{periods}}\n\n{_END}",
    "grouped": f"{_TOP}{{groups}}\n\n{_END}",
    "timeseries": f"{_TOP}{{periods}}\n\n{{groups}}\n\n{_END}",
    "profile": "",  # see profile_writing
}
PLACES = (
    "title",
    "figures",
    "finding",
    "facts",
    "narrative",
    "totals",
    "comparison",
    "chart",
    "groups",
    "periods",
    "notes",
    "source",
    "rows_read",
    "rows_used",
    "as_of",
)


def completed(stored: dict[str, Any], measures: int) -> dict[str, Any]:
    """The figures of a report that began in another version, with what that did not note yet."""
    absent: dict[str, Any] = {
        "left_out": {},
        "warnings": [],
        "notes": [],
        "groups": None,
        "periods": None,
        "lines": None,
        "period": None,
        "profile": None,
        "comparison": None,
    }
    units = list(stored.get("units") or [])[:measures]
    return absent | stored | {"units": units + [""] * (measures - len(units))}


@dataclass(frozen=True)
class Report:
    """The contents of a report. keys: columns grouped by. labels, names: of the measures. chart: a data URI, or empty."""

    title: str
    source: str
    as_of: str
    template: str
    keys: list[str]
    labels: list[str]
    names: list[str]
    figures: dict[str, Any]
    narrative: str = ""
    notes: Sequence[str] = ()
    chart: str = ""

    @property
    def rows_sentence(self) -> str:
        figures = self.figures
        used = (
            "all of them are used"
            if figures["rows_read"] == figures["rows_used"]
            else f"{figures['rows_used']:,} are used"
        )
        read = f"Source: {self.source}. {figures['rows_read']:,} rows were read, {used}. Data as of {self.as_of}."
        return " ".join([read, *figures["warnings"]])


def markdown(report: Report) -> str:
    """The whole report: the template with its placeholders filled in."""
    if not report.figures["rows_used"]:
        return f"{escaped(report.rows_sentence)}\n\n**{NOTHING}**\n\n{_notes(report)}\n"
    if profile := report.figures["profile"]:
        parts = (
            escaped(report.rows_sentence),
            escaped(report.narrative),
            profile_writing.markdown(profile, report.chart),
        )
        return "\n\n".join([*parts, _notes(report)])
    template = text_templates.parse_template(BUILT_IN.get(report.template, report.template))
    return template.render(_places(report))


def workbook(report: Report, target: Path) -> None:
    """Write a workbook: a sheet with the facts and totals, one for the groups, one for the periods."""
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(str(target), options)
    bold = book.add_format({"bold": True})
    figures = report.figures
    facts: list[list[Any]] = [[report.title], [report.rows_sentence], []]
    if not figures["rows_used"]:
        facts.append([NOTHING])
    else:
        facts += [[report.narrative], []] if report.narrative else []
        totals = [[label, value] for label, value in zip(report.labels, figures["totals"], strict=True)]
        facts += [["", "Overall"], *totals] if totals else []
    facts += [[], *([note] for note in (*figures["notes"], *report.notes))]
    _sheet(book, "Report", facts, {0: bold})
    if groups := figures["groups"]:
        others = (
            [[f"{groups['count'] - len(groups['rows'])} others", *[""] * (len(report.keys) - 1), *groups["others"]]]
            if groups["others"]
            else []
        )
        _charted(
            book,
            "Groups",
            [[*report.keys, *report.labels], *groups["rows"], *others],
            len(report.keys),
            len(groups["rows"]),
            bold,
            "bar",
        )
    for name, rows in (profile_writing.sheets(figures["profile"]) if figures["profile"] else {}).items():
        _sheet(book, name, rows, {0: bold})
    if compared := figures["comparison"]:
        _sheet(book, "Comparison", [compared["columns"], *compared["rows"]], {0: bold})
    if periods := figures["periods"]:
        _charted(
            book, "Periods", [[figures["period"].capitalize(), *report.labels], *periods], 1, len(periods), bold, "line"
        )
    book.close()


def check_template(template: str, names: Sequence[str]) -> None:
    """Raise BadInput for an unknown placeholder. names: of the measures."""
    if template in BUILT_IN:
        return
    if "\n" not in template and not re.search(r"[{}#*\s]", template):
        raise BadInput(f"There is no template “{template[:40]}”. There are {', '.join(BUILT_IN)}; or write Markdown.")
    known = [*PLACES, *names]
    unknown = [name for name in text_templates.parse_template(template).columns if name not in known]
    if unknown:
        listed = ", ".join(f"{{{name}}}" for name in known)
        sentence = f"{{{unknown[0]}}} is not a placeholder. There are: {listed}."
        raise BadInput(f"{sentence} Write {{{{ for a literal brace.")


def preview(report: Report, notes: list[str]) -> dict[str, Any]:
    """The first lines of the report as text, for the job's page."""
    figures = report.figures
    if profile := figures["profile"]:
        rows = profile_writing.overview(profile)
        return {
            **{"title": report.title, "facts": report.rows_sentence, "narrative": report.narrative},
            **{"notes": [*profile["warnings"], *notes], "columns": profile_writing.HEAD, "texts": 2},
            **{"more": max(0, len(rows) - PROFILED), "rows": in_columns(rows[:PROFILED])},
        }
    many = figures["periods"] or (figures["groups"] or {}).get("rows") or []
    keys = [figures["period"].capitalize()] if figures["periods"] else report.keys
    rows = [*many[:PREVIEWED], [*(["All"] + [""] * (len(keys) - 1) if keys else []), *figures["totals"]]]
    return {
        **{"title": report.title, "facts": report.rows_sentence, "narrative": report.narrative, "notes": notes},
        **{"columns": [*keys, *report.labels], "texts": len(keys), "more": max(0, len(many) - PREVIEWED)},
        "rows": in_columns(rows) if figures["rows_used"] else [],
    }


def _places(report: Report) -> dict[str, str]:
    figures = report.figures
    places = {
        **{"title": escaped(report.title), "source": escaped(report.source), "as_of": escaped(report.as_of)},
        **{"rows_read": f"{figures['rows_read']:,}", "rows_used": f"{figures['rows_used']:,}"},
        **{
            "facts": f"*{escaped(report.rows_sentence)}*",
            "narrative": escaped(report.narrative),
            "notes": _notes(report),
        },
        "figures": lead_figures(report),
        "finding": escaped(finding(report)),
        "totals": table(["", "Overall"], _overall(report)),
        "comparison": _comparison(report),
        "groups": _groups(report),
        "periods": _periods(report),
        "chart": f"![{escaped(report.labels[0])}]({report.chart})" if report.chart else "",
    }
    measured = dict(zip(report.names, (escaped(shown(value)) for value in figures["totals"]), strict=True))
    return measured | places


def lead_figures(report: Report) -> str:
    """The first totals as a table of one line, which the layouts set large; all of them below if there are more."""
    totals = report.figures["totals"]
    lead = list(zip(report.labels, map(shown, totals), strict=True))[:LEADING]
    while len(lead) > 1 and len(lead) * max(len(value) for _, value in lead) > LETTERS:
        lead.pop()
    texts = table([value for _, value in lead], [[label for label, _ in lead]], len(lead))
    return texts if len(totals) == len(lead) else f"{texts}\n\n{table(['', 'Overall'], _overall(report))}"


def is_led(report: Report) -> bool:
    """Whether the first table of the Markdown is the figures that lead."""
    text = BUILT_IN.get(report.template, report.template).lstrip()
    return bool(report.figures["rows_used"] and not report.figures["profile"] and text.startswith("{figures}"))


def finding(report: Report) -> str:
    """Where the first measure is highest and lowest, as a sentence; empty where there is nothing to compare."""
    figures = report.figures
    if figures["periods"]:
        rows = [(str(row[0]), row[1]) for row in figures["periods"]]
        if periods.open_last(figures):
            rows.pop()
    else:
        width = len(report.keys)
        listed = (figures["groups"] or {}).get("rows") or []
        rows = [(", ".join(map(as_text, row[:width])), row[width]) for row in listed]
    known = [(name, value) for name, value in rows if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(known) < 2:
        return ""
    most, least = max(known, key=lambda one: one[1]), min(known, key=lambda one: one[1])
    times = f", {most[1] / least[1]:,.1f} times as much as" if least[1] > 0 else "; least"
    return f"{report.labels[0]}: most in {most[0]} ({shown(most[1])}){times} in {least[0]} ({shown(least[1])})."


def _overall(report: Report) -> list[tuple[str, str]]:
    return list(zip(report.labels, map(shown, report.figures["totals"]), strict=True))


def _comparison(report: Report) -> str:
    compared = report.figures["comparison"]
    if not compared:
        return ""
    return f"## {escaped(compared['title'])}\n\n{table(compared['columns'], compared['rows'], compared['texts'])}"


def _groups(report: Report) -> str:
    groups = report.figures["groups"]
    if not groups:
        return ""
    blank = [""] * (len(report.keys) - 1)
    rows = list(groups["rows"])
    if groups["others"]:
        rows.append([f"{groups['count'] - len(rows):,} others", *blank, *groups["others"]])
    rows.append(["All", *blank, *report.figures["totals"]])
    return table([*report.keys, *report.labels], rows, len(report.keys))


def _periods(report: Report) -> str:
    periods = report.figures["periods"]
    if not periods:
        return ""
    rows = [*periods, ["All", *report.figures["totals"]]]
    return table([report.figures["period"].capitalize(), *report.labels], rows)


def _notes(report: Report) -> str:
    return "\n".join(f"- {escaped(note)}" for note in (*report.figures["notes"], *report.notes))


def _sheet(book: Any, name: str, rows: list[list[Any]], formats: dict[int, Any]) -> Any:
    sheet = book.add_worksheet(name)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 12, 16)
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, int | float) and not isinstance(value, bool):
                sheet.write_number(number, column, value)
            elif value is not None:
                sheet.write_string(number, column, as_text(value)[:32_767], formats.get(number))
    return sheet


def _charted(book: Any, name: str, rows: list[list[Any]], keys: int, count: int, bold: Any, kind: str) -> None:
    sheet = _sheet(book, name, rows, {0: bold})
    sheet.freeze_panes(1, 0)
    drawing = book.add_chart({"type": kind})
    drawing.add_series(
        {"name": [name, 0, keys], "categories": [name, 1, 0, count, keys - 1], "values": [name, 1, keys, count, keys]}
    )
    drawing.set_legend({"none": True})
    sheet.insert_chart(1, len(rows[0]) + 1, drawing)
