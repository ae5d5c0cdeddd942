"""Log lines on stderr: text, or with LOG_FORMAT=json one object a line, with the id of the job that the line is about.

Lines may contain untrusted text, such as the path of a request: control characters in it are escaped, so that it cannot forge
a line, and tokens are masked.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

TEXT = "%(asctime)s %(name)s %(levelname)s %(message)s"

_JOB = re.compile(r"\bjobs?[ /]([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_TOKEN = re.compile(r"\blw_[\w-]{20,}")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_current_job = ""  # the id of the job of this process, in a worker and its child


def set_up(form: str) -> None:
    """Send all lines of this process to stderr, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def formatter(form: str) -> logging.Formatter:
    return JsonLines() if form == "json" else TextLines(TEXT)


def hold(job_id: object = "") -> None:
    """Set the job that later lines of this process and its forks are about; no argument clears it."""
    global _current_job
    _current_job = str(job_id)


def job_of(message: str) -> str:
    """The id of the job that this process works on, or that the line names; empty if there is none."""
    return _current_job or next(iter(_JOB.findall(message)), "")


class TextLines(logging.Formatter):
    """One line for each record, followed by the traceback if there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))

    def format(self, record: logging.LogRecord) -> str:
        return without_tokens(super().format(record))


class JsonLines(logging.Formatter):
    """JSON objects with `at` (UTC), `level`, `logger`, `process`, `message`, and `job` and `trace` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        message = without_tokens(record.getMessage())
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": message,
        }
        if job := job_of(message):
            line["job"] = job
        if record.exc_info:
            line["trace"] = without_tokens(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def escaped(text: str) -> str:
    """The text in one line for a log or a terminal: control characters and marks of direction as \\x1b, \\u202e."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def without_tokens(text: str) -> str:
    return _TOKEN.sub("lw_•••", text)
