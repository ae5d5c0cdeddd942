"""A child that has been taken over, as every confined child may be: it tries each way out that an audit found."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
WORD = ctypes.create_string_buffer(b"changed!", 8)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What came of each attempt: "done", or the name of the error."""
    said = {name: _tried(attempt) for name, attempt in _attempts(request)}
    said |= {f"started it: {name}": _tried(attempt) for name, attempt in _on_process(os.getppid())}
    within = {name: _tried(attempt) for name, attempt in _allowed(request, folder)}
    return {"attempts": said, "allowed": within}


def _attempts(request: dict[str, Any]) -> Iterator[tuple[str, Callable[[], object]]]:
    parent, secret, outside = request["parent"], Path(request["secret"]), Path(request["outside"])
    yield from _on_process(parent)
    yield "process_vm_readv", lambda: _vector(310 if X86 else 270, parent, request["address"])
    yield "process_vm_writev", lambda: _vector(311 if X86 else 271, parent, request["address"])
    yield "pidfd_getfd", lambda: _call(438, 0, 0, 0)
    yield "kill everything", lambda: os.kill(-1, 0)
    yield "a session of its own", os.setsid
    yield "unshare", lambda: _call(272 if X86 else 97, 0x10000000)
    yield "clone", lambda: _call(56 if X86 else 220, 0x10000000 | int(signal.SIGCHLD), 0, 0, 0, 0)
    yield "mount", lambda: _call(165 if X86 else 40, b"none", b"/tmp", b"tmpfs", 0, None)
    yield "fsopen", lambda: _call(430, b"tmpfs", 0)
    yield "open_tree", lambda: _call(428, -100, b"/", 1)
    yield "chroot", lambda: os.chroot("/")
    yield "bpf", lambda: _call(321 if X86 else 280, 0, None, 0)
    yield "keyctl", lambda: _call(250 if X86 else 219, 0, -3, 0)
    yield "add_key", lambda: _call(248 if X86 else 217, b"user", b"name", b"x", 1, -3)
    yield "perf_event_open", lambda: _call(298 if X86 else 241, None, 0, -1, -1, 0)
    yield "userfaultfd", lambda: _call(323 if X86 else 282, 1)
    yield "io_uring", lambda: _call(425, 1, None)
    yield "shared memory", lambda: _call(29 if X86 else 194, 1234, 4096, 0o1600)
    yield "a file by its handle", lambda: _call(303 if X86 else 264, -100, b"/etc", None, None, 0)
    if X86:
        yield "ptrace by its x32 number", lambda: _call(0x40000000 + 521, 16, parent, 0, 0)
    yield "a secret file", secret.read_bytes
    yield "a secret file by a link", lambda: _link(secret).read_bytes()
    yield "names of files", lambda: os.listdir(secret.parent)
    yield "a new file", outside.touch
    yield "an old file", lambda: secret.open("ab")
    yield "another name for a file", lambda: os.link(secret, "secret")
    yield "removing a file", secret.unlink
    yield "a program that reads it", lambda: subprocess.run(["cat", secret], check=True, capture_output=True)


def _on_process(parent: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Attempts on another process."""
    about = Path(f"/proc/{parent}")
    yield "its environment", lambda: (about / "environ").read_bytes()
    yield "its memory", lambda: (about / "mem").open("r+b")
    yield "its maps", lambda: (about / "maps").read_text()
    yield "its files", lambda: (about / "fd" / "0").open("rb")
    yield "ptrace", lambda: _call(101 if X86 else 117, 16, parent, 0, 0)
    yield "pidfd_open", lambda: os.pidfd_open(parent)
    yield "kill", lambda: os.kill(parent, 0)
    yield "kill a group", lambda: os.killpg(parent, 0)
    yield "tgkill", lambda: _call(234 if X86 else 131, parent, parent, 0)
    yield "rt_sigqueueinfo", lambda: _call(129 if X86 else 138, parent, 0, ctypes.create_string_buffer(128))
    yield "its limits", lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE)
    yield "its processors", lambda: os.sched_setaffinity(parent, {0})
    yield "its priority", lambda: os.setpriority(os.PRIO_PROCESS, parent, 19)


def _allowed(request: dict[str, Any], folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a child needs for its work."""
    yield "its own file", Path(request["path"]).read_bytes
    yield "a file in its folder", lambda: (folder / "made").write_text("x")
    yield "a program", lambda: subprocess.run([sys.executable, "-c", "import json, decimal"], check=True)
    yield "abort", lambda: _aborts()
    yield "a signal to itself", lambda: _call(234 if X86 else 131, os.getpid(), os.getpid(), 0)
    yield "its own limits", lambda: resource.prlimit(0, resource.RLIMIT_NOFILE)


def _aborts() -> None:
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise ChildProcessError(status)


def _link(to: Path) -> Path:
    link = Path("link")
    link.symlink_to(to)
    return link


def _vector(number: int, parent: int, address: int) -> None:
    here = _Vector(ctypes.addressof(WORD), 8)
    there = _Vector(address, 8)
    _call(number, parent, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def _call(number: int, *arguments: Any) -> None:
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in (number, *arguments)]
    if LIBC.syscall(*words) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, subprocess.SubprocessError) as error:
        return type(error).__name__
    return "done"


if __name__ == "__main__":
    confined.serve(work)
