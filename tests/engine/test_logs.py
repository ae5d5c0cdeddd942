"""Log lines as JSON: a job can be followed by its id from the web through its worker and the worker's child."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import logs
from jobs.engine.queue import commands, queries
from tests.engine.workers import CODE, ended, until


@pytest.mark.slow
def test_a_job_is_followed_through_its_processes(
    environment: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")
    command = [sys.executable, "-m", "jobs", "worker", "--processes", "1", "--queues", "cpu"]
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        worker = subprocess.Popen(command, cwd=CODE, env=os.environ | {"LOG_FORMAT": "json"}, stderr=stderr)
        try:
            until(queries.served_queues)
            with caplog.at_level(logging.INFO, "legwork"):
                job = ended(commands.submit("nap", {}, owner="local"))
            until(lambda: f"{job.id}: succeeded" in said.read_text())
        finally:
            worker.terminate()
            worker.wait(60)
    lines = [line for line in map(parsed, said.read_text().splitlines()) if line]
    of_job = [line for line in lines if line.get("job") == str(job.id)]
    assert [line["message"] for line in of_job] == [
        f"job {job.id}: attempt 1 of nap begins",
        f"job {job.id}: succeeded",
    ]
    assert of_job[0]["process"] != of_job[1]["process"]
    assert {line["level"] for line in of_job} == {"info"}
    assert any(line["logger"] == "legwork.supervisor" and "job" not in line for line in lines)
    (sent,) = [record for record in caplog.records if record.name == "legwork.delivery"]
    assert parsed(logs.formatter("json").format(sent))["job"] == str(job.id)


def parsed(line: str) -> dict[str, Any]:
    """A line as an object; what a library of others prints when a program ends is none."""
    return json.loads(line) if line.startswith("{") else {}


def test_a_trace_and_odd_text_stay_in_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "what “he” said\n%s", ("\u2028",), sys.exc_info())
    line = logs.formatter("json").format(record)
    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["trace"]
    assert json.loads(line)["message"] == "what “he” said\n\u2028"


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_strangers_send_begins_no_line_and_a_token_is_not_written_down(form: str) -> None:
    token = "lw_" + "aB-_9" * 9
    try:
        raise ValueError(f"no such token: {token}")
    except ValueError:
        args = ("/x\n2030-01-01 legwork INFO all is well\r\x1b[2J\ud800", token)
        record = logging.LogRecord("x", logging.ERROR, "", 0, "fault at %s: Bearer %s", args, sys.exc_info())
    line = logs.formatter(form).format(record)
    assert token not in line and line.count("lw_•••") == 2
    assert [part for part in line.split("\n") if "all is well" in part] == [line.split("\n")[0]]
    assert "\r" not in line and "\x1b" not in line
    assert "fault at /x" in line and "ValueError: no such token" in line


def test_a_terminal_gets_no_control_characters_of_a_name_or_an_error() -> None:
    name = "\x1b[2J\x1b]0;mine\x07\u202efdp\u2028\x85東京 – “x” 😀.csv"
    assert logs.escaped(name) == r"\x1b[2J\x1b]0;mine\x07\u202efdp\u2028\x85東京 – “x” 😀.csv"
    try:
        raise ValueError(f"{name}\nroot: forged")
    except ValueError:
        record = logging.LogRecord("legwork", logging.ERROR, "", 0, "%s is broken", (name,), sys.exc_info())
    line = logs.formatter("text").format(record)
    assert not set("\x1b\x07\u202e\u2028\x85") & set(line) and "東京" in line and "Traceback" in line
