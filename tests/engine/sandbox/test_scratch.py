"""Temporary folders of processes that were killed are removed; those of living ones, and of others, are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine.sandbox import scratch, spawn
from jobs.engine.sandbox.scratch import PREFIX, Scratch

HOLD = """
import os, sys, tempfile
from jobs.engine.sandbox.scratch import Scratch
ours = Scratch()
if os.fork() == 0:
    ours.use()
    with tempfile.TemporaryDirectory(prefix="legwork-convert-") as name:
        print(os.getpid(), name, flush=True)
        sys.stdin.read()
else:
    os._exit(0)
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch._base.cache_clear()
    yield tmp_path
    scratch._base.cache_clear()


def test_a_folder_is_left_while_a_process_lives_and_swept_once_it_was_killed(base: Path) -> None:
    environ, pipes = os.environ | {"TMPDIR": str(base)}, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=spawn.ROOT, env=environ, text=True, **pipes) as maker:
        assert maker.stdout
        pid, made = maker.stdout.readline().split()
        maker.wait()  # the one that made the folder is gone, and the one that uses it is not
        try:
            assert Path(made).parent.parent == base and scratch.sweep() == 0 and Path(made).is_dir()
        finally:
            os.kill(int(pid), signal.SIGKILL)
        maker.stdout.read()  # to its end: the process is dead
    assert scratch.sweep() == 1 and list(base.iterdir()) == []


def test_what_is_not_ours_stays(base: Path) -> None:
    held, used = Scratch(), base / "real"
    used.mkdir()
    (base / f"{PREFIX}link").symlink_to(used)
    (base / f"{PREFIX}file").write_text("")
    for name in ("legwork-1000-abc", "legwork-child-abc", f"{PREFIX}foreign"):
        (base / name).mkdir()
    before = set(base.iterdir())
    user = os.geteuid()
    os.chown(base / f"{PREFIX}foreign", 65534 if user == 0 else user, -1)
    assert scratch.sweep() == (user != 0) and before - set(base.iterdir()) <= {base / f"{PREFIX}foreign"}
    held.remove()
    assert len(list(base.iterdir())) == (6 if user == 0 else 5)


def test_where_no_folder_can_be_made_processes_use_the_common_one(base: Path) -> None:
    assert scratch._base() == str(base)
    base.rmdir()
    without = Scratch()
    base.mkdir()
    without.use()
    without.remove()
    assert tempfile.gettempdir() == str(base) and scratch.sweep() == 0
