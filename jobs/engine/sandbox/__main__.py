"""A child that only answers how it is confined: what the doctor asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined, landlock, syscall_filter


def _answer(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {"network": syscall_filter.apply(), "files": landlock.apply()}


if __name__ == "__main__":
    confined.serve(_answer)
