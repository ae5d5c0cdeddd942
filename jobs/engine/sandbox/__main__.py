"""A child that only answers how it is confined: what the doctor asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined, offline


def _answer(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {"network": offline.leave_network()}


if __name__ == "__main__":
    confined.serve(_answer)
