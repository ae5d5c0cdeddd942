"""A confined child that has been taken over reaches no other process and no file but its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from jobs.engine.sandbox import landlock, spawn

HAS_LANDLOCK = landlock.version() > 0
FILES = {  # what Landlock alone keeps from a child
    *("a secret file", "a secret file by a link", "names of files", "a new file", "an old file"),
    *("another name for a file", "removing a file", "a program that reads it"),
}
PARENT = """
import ctypes, json, os, sys, tempfile
from pathlib import Path
from contextlib import nullcontext
from jobs.engine.sandbox import confined, parent_death, warm
user, module, forked = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "forked"
if user and os.geteuid() == 0:  # Python may lie where only root reads: the right to read files is kept, and passed on
    libc = ctypes.CDLL(None)
    libc.prctl(8, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    read = 1 << 2
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(read, read, read))
    libc.prctl(47, 2, 2, 0, 0)
parent_death.forbid_tracing()
kept = ctypes.create_string_buffer(b"password", 8)
with tempfile.TemporaryDirectory() as place:
    secret, path = Path(place, "data", "secret_key"), Path(place, "file.pdf")
    secret.parent.mkdir()
    secret.write_text("secret")
    path.write_text("given")
    request = {
        "parent": os.getpid(), "address": ctypes.addressof(kept), "secret": str(secret), "path": str(path),
        "outside": str(Path(place, "outside")),
    }
    with warm.started(module) if forked else nullcontext():
        said = confined.run(module, request, reads=[path])
    said["kept"] = kept.raw.decode()
    said["files"] = sorted(one.name for one in Path(place).rglob("*"))
    print(json.dumps(said))
"""


def attacked(module: str, user: int, how: str = "alone") -> Any:
    command = [sys.executable, "-c", PARENT, str(user), f"tests.engine.sandbox.{module}", how]
    done = subprocess.run(command, cwd=spawn.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def got_through(said: Any) -> set[str]:
    """The attempts that were not refused; those on files count where the kernel has Landlock."""
    spared = set() if HAS_LANDLOCK else FILES
    return {name for name, came in said["attempts"].items() if came == "done"} - spared


@pytest.mark.parametrize("user", [0, 65534] if os.geteuid() == 0 else [os.geteuid()])
@pytest.mark.parametrize("how", ["alone", "forked"])
def test_a_child_that_was_taken_over_reaches_nothing(user: int, how: str) -> None:
    said = attacked("attacker", user, how)
    assert got_through(said) == set()
    assert set(said["allowed"].values()) == {"done"}
    assert said["kept"] == "password"
    if HAS_LANDLOCK:
        assert said["files"] == ["data", "file.pdf", "secret_key"]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user is needed: root may read any process there")
def test_without_landlock_other_processes_are_out_of_reach_all_the_same() -> None:
    said = attacked("attacker_without_landlock", 65534)
    assert {name for name, came in said["attempts"].items() if came == "done"} <= FILES
    assert set(said["allowed"].values()) == {"done"}
    assert said["kept"] == "password"
