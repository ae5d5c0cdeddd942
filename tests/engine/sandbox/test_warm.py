"""Children that are forks of one process: each reaches as little as one that was started alone, and nothing of its neighbours."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.sandbox import confined, landlock, spawn, warm

MODULE = "tests.engine.sandbox.neighbour"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are only forked on Linux")


@pytest.fixture
def forked() -> Iterator[None]:
    with warm.started(MODULE):
        yield


def _asked(do: str = "look", **more: Any) -> dict[str, Any]:
    return {"do": do, "marker": "", "wanted": None, "paths": [], "pids": [], **more}


def _wanted(marker: str) -> list[str]:
    """What a search for it is given: not all of it, as it would find itself."""
    return [marker[:20], sha256(marker[20:].encode()).hexdigest()]


def _until(come: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not come():
        assert time.monotonic() < end
        time.sleep(0.02)


def _running(marker: str) -> bool:
    return any(marker in _command(pid) for pid in os.listdir("/proc") if pid.isdigit())


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:  # it has just ended
        return ""


@pytest.mark.usefixtures("forked")
def test_a_child_reaches_nothing_of_the_file_before_and_beside_it(tmp_path: Path) -> None:
    marker, other = (secrets.token_hex(20) for _ in range(2))
    first, beside, own = (tmp_path / name for name in ("first", "beside", "own"))
    for path in (first, beside, own):
        path.write_text(other)
    with closing(confined.stream(MODULE, _asked(marker=marker, wanted=_wanted(marker)), reads=[first])) as answers:
        before = [next(answers), next(answers)]
    assert before[1]["found"] is (os.geteuid() == 0)  # others may not open the memory of a process that is closed
    with closing(confined.stream(MODULE, _asked("stay", marker=marker), reads=[beside])) as answers:
        neighbour = next(answers)
        _until(lambda: _running(marker))
        paths = [str(first), str(beside), str(own), before[0]["folder"], neighbour["folder"]]
        of_others = [f"/proc/{neighbour['pid']}/mem", f"/proc/{neighbour['pid']}/fd/0", f"/proc/{os.getpid()}/environ"]
        pids = [neighbour["pid"], neighbour["parent"], os.getpid()]
        request = _asked(wanted=_wanted(marker), paths=[*paths, *of_others], pids=pids)
        with closing(confined.stream(MODULE, request, reads=[own])) as looked:
            about, said = list(looked)
    assert about["parent"] == neighbour["parent"] == before[0]["parent"] != os.getpid()
    assert len({about["pid"], neighbour["pid"], before[0]["pid"]}) == 3
    assert about["imported"]
    assert len(pipes := [name for name in said["files"] if name != os.devnull]) == 2, said["files"]
    assert all(name.startswith("pipe:") for name in pipes)
    assert said["limits"] == [2 << 30, 256]
    assert said["temporary"] == about["folder"] != neighbour["folder"]
    assert (said["found"], said["signalled"]) == (False, [])
    if landlock.version() > 0:
        assert said["read"] == [str(own)]
    _until(lambda: not _running(marker))  # what a child leaves behind ends with it


@pytest.mark.usefixtures("forked")
def test_a_server_that_ended_is_started_again() -> None:
    def parent() -> int:
        with closing(confined.stream(MODULE, _asked())) as answers:
            return int(next(answers)["parent"])

    was = parent()
    os.kill(was, signal.SIGKILL)
    _until(lambda: not _running(warm.SERVER))
    assert parent() != was


@pytest.mark.usefixtures("forked")
def test_what_a_fork_raises_comes_as_from_any_child() -> None:
    with warm.started("tests.engine.sandbox.failing"), pytest.raises(BadInput) as raised:
        confined.run("tests.engine.sandbox.failing", {"raise": "damage"})
    assert raised.value.reason == "broken"
    with pytest.raises(confined.TooCostly) as late:
        list(confined.stream(MODULE, _asked("stay"), confined.ProcessLimits(seconds=1)))
    assert late.value.timed_out


def test_server_and_children_end_with_a_process_that_is_killed() -> None:
    marker = secrets.token_hex(20)
    script = f"""
from jobs.engine.sandbox import confined, warm
with warm.started({MODULE!r}):
    print(list(confined.stream({MODULE!r}, {_asked("stay", marker=marker)!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=spawn.ROOT)
    _until(lambda: _running(marker))
    process.kill()
    process.wait()
    _until(lambda: not _running(f"{MODULE}\0{process.pid}"))
