"""The child that looks at a workbook or Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.formats.tables.reader import describe_here
from jobs.engine.sandbox import confined


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    return describe_here(Path(request["path"])).as_json()


if __name__ == "__main__":
    confined.serve(work)
