"""Tables as documents for people: HTML, Markdown and PDF. Cells are written as their workbook shows them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats import fonts, tables

MOST_CELLS = 100_000  # of a PDF: typst takes ten seconds for so many
WIDE = 8  # columns: more are set on a page across, in smaller letters
LONGEST = 25  # characters without a place to break a line
SMALL, SMALLEST = 8, 6  # points
_RUN = re.compile(rf"\S{{{LONGEST},}}")
_PIECE = re.compile(rf".{{1,{LONGEST}}}")
_STYLE = (
    "body{font-family:sans-serif}table{border-collapse:collapse;margin-bottom:2em}"
    "th,td{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}th{background:#eee}"
    ".number{text-align:right}"
)
_PAGE = """#set page(paper: "{page_size}", flipped: {landscape}, margin: {margin_mm}mm, numbering: "1")
#set text(size: {font_size}pt, font: {fonts})
#set table(inset: 4pt, stroke: 0.5pt + luma(180))
#let sheets = json("sheets.json")
#for sheet in sheets {{
  heading(sheet.title)
  table(
    columns: sheet.columns.len(),
    align: (column, row) => if sheet.numbers.at(column) and row > 0 {{ right }} else {{ left }},
    table.header(..sheet.columns.map(strong)),
    ..sheet.rows.flatten(),
  )
}}
"""


@dataclass(frozen=True)
class Sheet:
    """A table under its title; rows: reads them."""

    title: str
    columns: list[str]
    rows: Callable[[], Iterator[Mapping[str, Any]]]

    def cells(self) -> Iterator[tuple[list[str], list[bool]]]:
        """The texts of each row, and which of its values are numbers."""
        for row in self.rows():
            shown = tables.as_shown(row)
            yield (
                [jsonsafe.clean_text(as_text(shown.get(column))) for column in self.columns],
                [isinstance(row.get(column), int | float) for column in self.columns],
            )


def write(sheets: list[Sheet], to: str, options: dict[str, Any], folder: Path) -> tuple[Path, list[str], int]:
    """The document, a sentence for each kind of loss, and the number of rows."""
    target = folder / f"converted.{to}"
    if to == "pdf":
        return _pdf(sheets, options, folder, target)
    write_one = _html_table if to == "html" else _markdown_table
    rows = 0
    with target.open("w", encoding="utf-8") as opened:
        if to == "html":
            title = html.escape(sheets[0].title)
            opened.write(f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title>')
            opened.write(f"<style>{_STYLE}</style></head><body>\n")
        for place, sheet in enumerate(sheets):
            opened.write("\n" if place and to == "md" else "")
            for number, line in enumerate(write_one(sheet)):
                rows += number > 0
                opened.write(line)
        opened.write("</body></html>\n" if to == "html" else "")
    return target, [], rows


def _html_table(sheet: Sheet) -> Iterator[str]:
    """What stands before the rows, and each row."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in sheet.columns)
    end = "</tbody></table>\n"
    before = f"<h2>{html.escape(sheet.title)}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n"
    for texts, numbers in sheet.cells():
        yield before
        before = "".join(
            f"<td{' class=number' * number}>{html.escape(text).replace(chr(10), '<br>')}</td>"
            for text, number in zip(texts, numbers, strict=True)
        )
        before = f"<tr>{before}</tr>\n"
    yield before + end


def _markdown_table(sheet: Sheet) -> Iterator[str]:
    yield f"## {sheet.title}\n\n{_markdown_row(sheet.columns)}|{'---|' * len(sheet.columns)}\n"
    for texts, _ in sheet.cells():
        yield _markdown_row(texts)


def _markdown_row(texts: list[str]) -> str:
    cells = (html.escape(text, quote=False).replace("|", "\\|").replace("\r", "") for text in texts)
    return f"| {' | '.join(cell.replace(chr(10), '<br>') for cell in cells)} |\n"


def _pdf(sheets: list[Sheet], options: dict[str, Any], folder: Path, target: Path) -> tuple[Path, list[str], int]:
    import typst

    read, warnings, rows = [], [], 0
    for sheet in sheets:
        most = max(1, (MOST_CELLS - rows * len(sheet.columns)) // max(1, len(sheet.columns)))
        cells = sheet.cells()
        kept = list(islice(cells, most))
        left = sum(1 for _ in cells)
        rows += len(kept)
        if left:
            warnings.append(
                f"Only the first {len(kept):,} rows of “{sheet.title[:60]}” are in the PDF, which has room for {MOST_CELLS:,} "
                f"cells. {left:,} rows were left out."
            )
        read.append(_as_data(sheet, kept))
    text = json.dumps(read, ensure_ascii=False)
    root = folder / "page"
    root.mkdir()
    (root / "sheets.json").write_text(text)
    (root / "page.typ").write_text(_page(options, max(len(sheet.columns) for sheet in sheets), text))
    try:
        typst.compile(
            root / "page.typ",
            output=target,
            root=root,
            font_paths=fonts.folders() if fonts.needed(text) else [],
            ignore_system_fonts=True,
            package_path=folder / "none",
            package_cache_path=folder / "none",
        )
    except (typst.TypstError, RuntimeError) as error:
        raise BadInput("The table cannot be set as a PDF. Convert it to HTML and print that.") from error
    return target, warnings + fonts.warning(text), rows


def _as_data(sheet: Sheet, kept: list[tuple[list[str], list[bool]]]) -> dict[str, Any]:
    numbers = [any(row[1][at] for row in kept) for at in range(len(sheet.columns))]
    rows = [[_breakable(text) for text in texts] for texts, _ in kept]
    return {
        "title": sheet.title,
        "columns": [_breakable(one) for one in sheet.columns],
        "numbers": numbers,
        "rows": rows,
    }


def _breakable(text: str) -> str:
    """With places without a width in long runs of letters, so that they stay in their column."""
    return _RUN.sub(lambda run: "\u200b".join(_PIECE.findall(run[0])), text)


def _page(options: dict[str, Any], columns: int, text: str) -> str:
    small = options["font_size"] if columns <= WIDE else SMALL if columns <= 2 * WIDE else SMALLEST
    family = fonts.of_east_asia(text)
    return _PAGE.format(
        page_size=options["page_size"],
        landscape=str(options["landscape"] or columns > WIDE).lower(),
        margin_mm=options["margin_mm"],
        font_size=min(small, options["font_size"]),
        fonts=f'("Libertinus Serif", "{family}")' if family else '"Libertinus Serif"',
    )
