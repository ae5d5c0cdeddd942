"""The child that looks at a workbook or Parquet file: `python -m jobs.engine.formats.tables PATH NAME` prints JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.reader import DESCRIBE_SECONDS, describe_here
from jobs.engine.sandbox.rlimits import confine

MEMORY = 2 << 30
WRITTEN = 1 << 30  # bytes, of any one file


def main(path: str) -> None:
    """Limits first: a hostile file must not cost more than this child."""
    confine(memory=MEMORY, cpu_seconds=DESCRIBE_SECONDS, file_bytes=WRITTEN)
    print(jsonsafe.dumps(_answer(Path(path))))


def _answer(path: Path) -> dict[str, Any]:
    try:
        return describe_here(path).as_json()
    except BadInput as error:
        return {"error": error.message}


if __name__ == "__main__":
    main(sys.argv[1])
