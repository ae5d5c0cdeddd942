"""A child whose work raises what it is asked to: `python -m tests.engine.sandbox.failing`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined

ERRORS: dict[str, Exception] = {
    "fault": KeyError("what stands in the file"),
    "damage": zipfile.BadZipFile("File is not a zip file"),
}


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    raise ERRORS[request["raise"]]


if __name__ == "__main__":
    confined.serve(work)
