"""`make audit` sees what it is there to see, and sees nothing here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.audit import code, packages
from tests.audit.packages import Pin


def test_nothing_is_wrong_with_the_packages() -> None:
    have, wanted = packages.installed(), packages.pins()
    running = packages.standing_on(wanted)
    assert len(wanted) > 50 and {"flask", "werkzeug", "urllib3", "tokenizers"} <= running and "bandit" not in running
    assert list(packages.unlocked()) == []
    assert list(packages.unpinned(wanted, have)) == []
    assert list(packages.bad({name: version for name, version in have.items() if name in running})) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("flask>=3", "is not pinned to one version"),
        ("flask", "is not pinned to one version"),
        ("flask==3.*", "is not pinned to one version"),
        ("flask==3.0.0", "is pinned, and 3.1.3 is installed"),
        ("flasq==3.0.0", "is not installed"),
        ("Flask==3.1.3", None),
    ],
)
def test_a_pin_is_one_version_and_that_is_installed(line: str, said: str | None) -> None:
    told = list(packages.unpinned([Pin("requirements.txt:1", Requirement(line))], {"flask": "3.1.3"}))
    assert told == ([f"requirements.txt:1: {Requirement(line)} {said}"] if said else [])


def test_a_requirement_that_the_lock_file_does_not_have_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("Flask==3.1.3\nrq==3.0.0\nredis[hiredis]==8.1.0\n")
    (tmp_path / "requirements.lock").write_text(
        "flask==3.1.2 \\\n    --hash=sha256:00\nredis[hiredis]==8.1.0 \\\n    --hash=sha256:00\n"
    )
    for empty in ("requirements-ocr.txt", "requirements-ocr.lock"):
        (tmp_path / empty).touch()
    (tmp_path / "requirements-local.txt").write_text("uv==1\n")
    (tmp_path / "requirements-local.lock").write_text("uv==2 \\\n    --hash=sha256:00\n")
    assert [one.split(":")[1] for one in packages.unlocked(tmp_path)] == ["1", "2", "1"]


def test_everything_that_is_installed_for_production_has_a_hash() -> None:
    for name in (*packages.LOCKS.values(), "requirements-models.txt"):
        lines = (packages.ROOT / name).read_text().splitlines()
        pinned = [number for number, line in enumerate(lines) if "==" in line and not line.startswith((" ", "#"))]
        assert pinned
        assert all(lines[number + 1].strip().startswith("--hash=sha256:") for number in pinned)


@pytest.mark.parametrize(
    ("name", "version", "advisory"),
    [
        ("werkzeug", "3.0.5", "CVE-2024-49767"),
        ("langchain-core", "1.2.4", "CVE-2025-68664"),
        ("langchain-core", "0.3.81", ""),
        ("langgraph-checkpoint", "2.1.2", "CVE-2025-64439"),
        ("requests", "2.32.4", ""),
    ],
)
def test_a_bad_version_is_named_with_its_advisory(name: str, version: str, advisory: str) -> None:
    told = " ".join(packages.bad({name: version}))
    assert advisory in told if advisory else told == ""


def test_what_a_linter_says_counts_unless_it_is_excepted_with_a_mark(tmp_path: Path) -> None:
    shutil.copy(code.ROOT / "pyproject.toml", tmp_path)
    ours = tmp_path / "jobs"
    ours.mkdir()
    (ours / "shell.py").write_text(
        'import subprocess\n\nsubprocess.call("ls *", shell=True)\nexec("1")  # noqa: S102 - to see it let be\n'
    )
    told = code.complaints(tmp_path, ("jobs",))
    assert [one.split(":")[:2] for one in told] == [["jobs/shell.py", "3"]] * len(told)
    assert {word for one in told for word in one.split() if word[1:].isdigit()} >= {"S602", "B602"}
