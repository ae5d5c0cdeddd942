"""Tables out of files of one or several sheets: a file for each sheet, or a document with all of them."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.file_names import safe_name, unique_name
from jobs.engine.formats import tables as readers
from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.conversion import table_documents, tables

DOCUMENTS = ("html", "md", "pdf")
EMPTY = "The sheet “{}” is empty, and was left out."
OTHERS = " Others in this workbook:"


def convert(
    source: Path, name: str, to: str, options: dict[str, Any], folder: Path, reading: ReadOptions, choices: Choices
) -> tuple[Path, list[str], int]:
    """The new file, a sentence for each kind of loss, and the number of rows."""
    sheets = [] if reading.sheet else readers.describe_here(source, name, reading).sheets
    if to in DOCUMENTS:
        return _document(source, name, to, options, folder, reading, sheets)
    if options.get("sheets") == "each" and len(sheets) > 1:
        return _each(source, name, to, options, folder, reading, choices, sheets)
    path, warnings, rows = tables.convert(source, name, to, options, folder, reading, choices)
    return path, [_with_advice(one) for one in warnings], rows


def _with_advice(warning: str) -> str:
    return f"{warning} The option sheets=each converts all of them." if OTHERS in warning else warning


def _document(
    source: Path, name: str, to: str, options: dict[str, Any], folder: Path, reading: ReadOptions, names: list[str]
) -> tuple[Path, list[str], int]:
    found, notes = [], []
    for sheet in names or [""]:
        chosen = replace(reading, sheet=sheet or reading.sheet)
        try:
            table = tables.TableSource(source, name, chosen)
        except BadInput as error:
            if len(names) < 2:
                raise
            notes.append(f"The sheet “{sheet}” was left out: {error.message}")
            continue
        if not table.info.columns and len(names) > 1:
            notes.append(EMPTY.format(sheet))
            continue
        notes += [note for note in table.info.notes if OTHERS not in note or len(names) < 2]
        found.append((table, table_documents.Sheet(sheet or Path(name).stem, table.columns(), table.rows)))
    if not found:
        raise BadInput("None of the sheets has a table.", reason="empty")
    path, warnings, rows = table_documents.write([sheet for _, sheet in found], to, options, folder)
    notes += [note for table, _ in found for note in table.notes]
    return path, list(dict.fromkeys([*notes, *warnings])), rows


def _each(
    source: Path,
    name: str,
    to: str,
    options: dict[str, Any],
    folder: Path,
    reading: ReadOptions,
    choices: Choices,
    names: list[str],
) -> tuple[Path, list[str], int]:
    """A ZIP with a file for each sheet."""
    target, taken, notes, total = folder / "converted.zip", set[str](), [], 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, sheet in enumerate(names):
            place = folder / str(number)
            place.mkdir()
            chosen = replace(reading, sheet=sheet)
            try:
                if not readers.describe_here(source, name, chosen).columns:
                    notes.append(EMPTY.format(sheet))
                    continue
                made, warnings, rows = tables.convert(source, name, to, options, place, chosen, choices)
            except BadInput as error:
                notes.append(f"The sheet “{sheet}” was left out: {error.message}")
                continue
            archive.write(made, unique_name(safe_name(f"{sheet}.{to}"), taken))
            notes += [f"{sheet}: {one}" for one in warnings if OTHERS not in one]
            total += rows
            made.unlink()
    if not taken:
        raise BadInput("None of the sheets has a table.", reason="empty")
    return target, notes, total
