"""A child of a fork server that has been taken over, and looks for what its neighbours read: those before it, and one beside it."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from jobs.engine.sandbox import confined

WARM = ("json.tool",)


def work(request: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    (folder / "note").write_text("note")
    yield {"pid": os.getpid(), "parent": os.getppid(), "folder": str(folder), "imported": "json.tool" in sys.modules}
    if request["do"] == "stay":
        _leave_behind(request)
        time.sleep(60)
    yield {
        "files": [os.readlink(f"/proc/self/fd/{number}") for number in range(20) if _is_open(number)],
        "limits": [resource.getrlimit(one)[0] for one in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE)],
        "temporary": os.environ["TMPDIR"],
        "found": _found(*request["wanted"]) if request["wanted"] else None,
        "read": [path for path in request["paths"] if _reads(path)],
        "signalled": [pid for pid in request["pids"] if _signals(pid)],
    }


def _leave_behind(request: dict[str, Any]) -> None:
    """A program that would go on when this child has ended."""
    program = f"import time; time.sleep(60)  # {request['marker']}"
    subprocess.Popen([sys.executable, "-c", program])


def _found(beginning: str, digest: str) -> bool:
    """Whether a text of 40 characters is in this process's memory. The search itself has only half of it, and a digest."""
    with suppress(OSError), open("/proc/self/mem", "rb", 0) as memory:
        for begin, end in re.findall(r"^(\w+)-(\w+) r", Path("/proc/self/maps").read_text(), re.M):
            with suppress(OSError, ValueError, OverflowError, MemoryError):
                memory.seek(int(begin, 16))
                parts = memory.read(min(int(end, 16) - int(begin, 16), 64 << 20)).split(beginning.encode())[1:]
                if any(sha256(part[:20]).hexdigest() == digest for part in parts):
                    return True
    return False


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _reads(path: str) -> bool:
    try:
        os.listdir(path) if os.path.isdir(path) else Path(path).read_bytes()
    except OSError:
        return False
    return True


def _signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    return True


if __name__ == "__main__":
    confined.serve(work)
