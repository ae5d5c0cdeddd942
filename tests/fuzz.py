"""What the description of the API says, tried against a running app: `make fuzz`, or `python -m tests.fuzz --help`.

schemathesis reads /api/v1/openapi.json and sends what fits it, what nearly fits it, and what does not: with a token that may do
everything, and without one. Each answer must be one that is described, and none may be a fault. Then come the tests of what a
description does not say: hostile names of columns, messages, texts and forms, and children that have been taken over.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import _open_folder
from tests.stories.app_process import CODE, NO_MODEL, App, running
from tests.stories.site_client import environment_of

PASSWORD = "four plain words here"
SOME_KINDS = ("convert_files", "export_data")  # the short form sends to these only
SHORT = ["--phases", "examples,coverage", "--exclude-operation-id-regex", rf"^submit_(?!({'|'.join(SOME_KINDS)})$)"]
HOSTILE = (
    *("tests/test_column_names.py", "tests/engine/worker/test_hostile_messages.py", "tests/web/test_hostile_text.py"),
    *("tests/stories/test_heavy_forms.py", "tests/engine/sandbox", "tests/engine/formats/test_encodings.py"),
)
LINE = 400  # characters of a line that are shown: a request may be a megabyte
LINES = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if nothing was found."""
    options = _arguments(arguments)
    with _open_folder() as folder, running("web", **NO_MODEL) as app:  # thousands of jobs, and none needs to run
        found = _tried(app, folder, options)
        faults = _faults(app)
    print("\n".join(faults))
    return found or int(bool(faults)) or (0 if options.short else _hostile(options.seed))


def _hostile(seed: int) -> int:
    """What the tests of hostile contents leave with; Hypothesis draws new ones for each seed."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--hypothesis-seed={seed}", *HOSTILE]
    return subprocess.run(command, cwd=CODE, env=os.environ | {"WHOLE_CORPORA": "1"}, check=False).returncode


def _tried(app: App, folder: Path, options: argparse.Namespace) -> int:
    """What schemathesis leaves with; the end of what it says is printed."""
    long = ["--max-examples", str(options.examples), "--generation-unique-inputs"]
    command = [
        *(str(Path(sys.executable).with_name("st")), "--config-file", str(CODE / "tests" / "fuzz.toml")),
        *("run", f"{app.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {_token(app)}"),
        *("--checks", "all", "--seed", str(options.seed), "--workers", "2", "--continue-on-failure", "--no-color"),
        *("--request-timeout", "60", "--no-shrink", "--warnings", "off", *(SHORT if options.short else long)),
    ]
    said = folder / "said.txt"
    with said.open("wb") as file:
        hooks = {"SCHEMATHESIS_HOOKS": str(CODE / "tests" / "fuzz_hooks.py")}
        ended = subprocess.run(command, stdout=file, stderr=file, cwd=folder, env=os.environ | hooks, check=False)
    with said.open(errors="replace") as file:
        lines = [line.rstrip("\n")[:LINE] for line in file]
    if options.file:
        options.file.write_text("\n".join(lines))
    print("\n".join(lines[-LINES:]))
    return ended.returncode


def _token(app: App) -> str:
    """A token of the first account, which may do everything."""
    (web, *_) = app.processes("web")
    environ = os.environ | {"DATABASE_URL": environment_of(web.pid)["DATABASE_URL"]}
    code = (
        "from jobs.engine import accounts;"
        f"print(accounts.issue_token(accounts.add('root', 'admin', {PASSWORD!r}), 'fuzz', 'operate', 7)[1])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=CODE, check=True, capture_output=True, text=True
    )
    return made.stdout.strip()


def _faults(app: App) -> list[str]:
    """What the log says from the first fault of ours on, or of a token that it should not know."""
    log = (app.data_dir / "log" / "web.log").read_text(errors="replace")
    found = re.search(r"^.*(ERROR|Traceback|lw_[\w-]{20,})", log, re.M)
    return [line[:LINE] for line in log[found.start() :].splitlines()][:LINES] if found else []


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="the same requests again")
    parser.add_argument(
        "--examples", type=int, default=50, help="requests drawn for each operation, beside the boundaries"
    )
    parser.add_argument("--short", action="store_true", help="the boundaries alone, and of three kinds only")
    parser.add_argument("--file", type=Path, help="gets all that was found")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
