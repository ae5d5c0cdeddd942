"""The child that looks at a workbook or Parquet file: `python -m jobs.engine.tables PATH NAME` prints what it is, as JSON."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.tables import DESCRIBE_SECONDS, describe_here

MEMORY = 2 << 30


def main(path: str) -> None:
    """Limits first: a hostile file must not cost more than this child."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (DESCRIBE_SECONDS, DESCRIBE_SECONDS))
    print(jsonsafe.dumps(_answer(Path(path))))


def _answer(path: Path) -> dict[str, Any]:
    try:
        return describe_here(path).as_json()
    except BadInput as error:
        return {"error": error.message}


if __name__ == "__main__":
    main(sys.argv[1])
