"""The child process that converts one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kits.conversion import documents, formats, look, pages, pictures, workbooks
from jobs.engine.sandbox import confined

WARM = ("PIL.ImageOps", "nh3", "typst", "openpyxl", "python_calamine", "xlsxwriter", "duckdb", "pypdfium2")


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    source, to, options = Path(request["path"]), request["to"], request["options"]
    beside = look.unprinted(Path(request["original"])) if request["format"] == "pdf" else []
    if request.get("is_set"):
        return {"path": "", "warnings": beside, "rows": None}
    family, rows = formats.FORMATS[request["format"]].family, None
    if family == "document":
        path, warnings = documents.convert(source, request["format"], to, request["name"], options, folder)
    elif family == "table":
        reading = ReadOptions(**request["reading"])
        choices = Choices.from_json(request["choices"])
        path, warnings, rows = workbooks.convert(source, request["name"], to, options, folder, reading, choices)
    elif family in ("pdf", "slides"):
        path, warnings = pages.convert(source, request["format"], to, request["name"], options, folder)
    else:
        read = pictures.drawn if request["format"] == "svg" else pictures.convert
        path, warnings = read(source, to, options, folder)
    return {"path": path.name, "warnings": [*beside, *warnings], "rows": rows}


if __name__ == "__main__":
    confined.serve(work)
