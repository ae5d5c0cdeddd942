"""Text out of files: PDF, office documents, pages, mails, pictures, plain text.

    found = extract(path, "report.pdf")        # in a child process: whatever the file does, it does it there

A child has no network, no address and no password in its environment, and limits on memory, processor time and what it
writes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.sandbox import spawn

SECONDS = 120  # of a file, by the clock
MOST_TEXT = 20_000_000  # characters
MOST_ANSWER = 120_000_000  # bytes


@dataclass(frozen=True)
class Extracted:
    """What a file says. `text` has Markdown's headings and \\f between pages; `note` is a sentence on what is missing."""

    media_type: str
    text: str
    title: str = ""
    pages: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    thumbnail: str = ""  # a small PNG, in base64
    note: str = ""


def extract(path: Path, name: str, *, ocr: bool = False, seconds: int = SECONDS) -> Extracted:
    """Raises BadInput with a sentence for a file that is broken, locked, hostile, or of a type that is not read here."""
    with tempfile.TemporaryDirectory(prefix="legwork-extract-", ignore_cleanup_errors=True) as folder:
        command = spawn.command(
            "jobs.engine.formats.extraction", str(path.absolute()), name, folder, "ocr" if ocr else ""
        )
        ended = _run(command, folder, seconds)
        answer = Path(folder) / "answer.json"
        if not answer.is_file() or answer.stat().st_size > MOST_ANSWER:
            raise BadInput(
                f"{_short(name)} takes too much time or memory to read{_how(ended, seconds)}.", reason="too_costly"
            )
        said = json.loads(answer.read_bytes())
    if "error" in said:
        raise BadInput(said["error"], reason=said["reason"])
    return Extracted(**said)


def _run(command: list[str], folder: str, seconds: int) -> int | None:
    """How the child ended; None if it was out of time. What it started ends with it."""
    process = subprocess.Popen(
        command,
        cwd=spawn.ROOT,
        env=spawn.environment(temporary=folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _how(ended: int | None, seconds: int) -> str:
    return f"; it was given up after {seconds} s" if ended is None else ""


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
