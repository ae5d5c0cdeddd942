"""How to start a Python of ours beside this one: for work that must not load, or bring down, the process that asks."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def environment(temporary: str | None = None) -> dict[str, str]:
    """Next to nothing: no address, no password. `temporary` is where the child may put files."""
    return {"PATH": os.defpath, "PYTHONUTF8": "1", "TMPDIR": temporary or tempfile.gettempdir()}
