"""Children that read what strangers wrote: no network, nothing of our environment, and no child without it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.sandbox import confined, spawn
from tests.engine.sandbox import caller

REACHED = "IPv4 reached, IPv6 reached, Unix reached"
REFUSED = "IPv4 PermissionError, IPv6 PermissionError, Unix PermissionError"
WITH_NETWORK = {
    "jobs.engine.llm.embeddings": "it asks the provider of vectors, and opens no file",
    "jobs.engine.kinds": "it looks up files in the database; it reads them in confined children of its own",
}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[dict[str, Any], list[socket.socket]]]:
    """Where servers of this test listen, and the servers."""
    path = str(tmp_path / "database.sock")
    with socket.create_server(("127.0.0.1", 0)) as near, socket.socket(socket.AF_UNIX) as beside:
        beside.bind(path)
        beside.listen()
        for server in (near, beside):
            server.setblocking(False)
        yield {"port": near.getsockname()[1], "path": path}, [near, beside]


def test_a_child_reaches_no_server_and_has_no_secret(
    listening: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, servers = listening
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret@example.org/legwork")
    assert caller.called(**at) == REACHED
    for server, calls in zip(servers, (2, 1), strict=True):
        for _ in range(calls):
            server.accept()[0].close()
    told = confined.run("tests.engine.sandbox.caller", at)
    assert (told["itself"], told["started"]) == (REFUSED, REFUSED)
    assert set(told["environment"]) <= {"PATH", "PYTHONUTF8", "TMPDIR", "LC_CTYPE"}
    for server in servers:
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("known", [True, False])
def test_nobody_in_particular_may_give_it_up_too(listening: Any, known: bool) -> None:
    at, _ = listening
    script = f"""
import os
from jobs.engine.sandbox import syscall_filter
from tests.engine.sandbox.caller import called
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
{known} or syscall_filter._MACHINES.clear()  # a machine whose numbers nobody knows
print(syscall_filter.apply(), "|", called({at["port"]!r}, "/nowhere"))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=spawn.ROOT, capture_output=True, text=True)
    how, _, came = done.stdout.rstrip().partition(" | ")
    if known:
        assert how == "filter", done.stderr
    assert how in ("filter", "namespace", "")
    assert ("reached" in came) == (how == ""), done.stderr


def test_a_child_with_sockets_of_its_own_reaches_no_server_either(listening: Any) -> None:
    at, servers = listening
    told = confined.run("tests.engine.sandbox.caller", at, confined.ProcessLimits(local_sockets=True))
    assert (told["itself"], told["started"]) == (REFUSED, REFUSED)
    for server in servers:
        with pytest.raises(BlockingIOError):
            server.accept()


def test_every_child_that_is_started_is_confined() -> None:
    started = set()
    for path in (spawn.ROOT / "jobs").rglob("*.py"):
        text = path.read_text()
        started |= set(re.findall(r'(?:spawn\.command|confined\.\w+|PipedChild)\(\s*"([\w.]+)"', text))
        started |= set(re.findall(r'^MODULE = "([\w.]+)"', text, re.M))
    assert len(started) >= 10
    assert {name for name in started - WITH_NETWORK.keys() if not _confines(name)} == set()
    assert started >= WITH_NETWORK.keys()


def _confines(name: str) -> bool:
    path = spawn.ROOT / name.replace(".", os.sep)
    text = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    return any(words in text for words in ("confined.serve(", "confined.ChildEnd(", " confine("))
