"""The child process that parses mails of strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engine.kits.bounces.notices import noticed
from jobs.engine.sandbox import confined


def work(request: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    for path in request["paths"]:
        yield noticed(Path(path).read_bytes())


if __name__ == "__main__":
    confined.serve(work)
