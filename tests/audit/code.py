"""Our own code, as two linters judge it: ruff, whose rules S are about safety, and bandit.

An exception is written once, for ruff: `# noqa: S608 - why`, or in pyproject.toml for a file or for all. Bandit's B608 is
ruff's S608, so an exception from the one is an exception from the other.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = ("jobs", "webapp")
NOQA = re.compile(r"#\s*noqa:([^#\-(]*)")


def complaints(root: Path = ROOT, folders: tuple[str, ...] = OURS) -> list[str]:
    """Each with its place; empty where both are content."""
    ruff = _run(root, "ruff", "check", "--output-format", "concise", "--quiet", *folders)
    return [*_ruffs(ruff), *_bandits(root, folders)]


def _ruffs(done: subprocess.CompletedProcess[str]) -> list[str]:
    if done.returncode not in (0, 1):
        raise SystemExit(f"ruff did not run: {done.stderr.strip()}")
    return done.stdout.splitlines()


def _bandits(root: Path, folders: tuple[str, ...]) -> Iterator[str]:
    done = _run(
        root, "bandit", "--quiet", "--configfile", "pyproject.toml", "--format", "json", "--recursive", *folders
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"bandit did not run: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    yield from (f"{one['filename']}: {one['reason']}" for one in told["errors"])
    lint = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    for found in told["results"]:
        rule = "S" + found["test_id"][1:]
        if rule not in {*lint["ignore"], *_excepted(root, found), *_excepted_files(lint, found["filename"])}:
            yield f"{found['filename']}:{found['line_number']}: {found['test_id']} {found['issue_text']}"


def _excepted(root: Path, found: dict[str, Any]) -> set[str]:
    """The rules of ruff that are switched off on the lines of a finding."""
    lines = (root / found["filename"]).read_text().splitlines()
    first, last = min(found["line_range"]), max(found["line_range"])
    marks = [mark[1] for line in lines[first - 1 : last] if (mark := NOQA.search(line))]
    return {rule for mark in marks for rule in re.findall(r"[A-Z]+\d+", mark)}


def _excepted_files(lint: dict[str, Any], name: str) -> set[str]:
    return {rule for glob, rules in lint["per-file-ignores"].items() if fnmatch(name, glob) for rule in rules}


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
