"""Work in a child process that can harm only itself: for files of strangers and libraries that may hang.

The child has limits on memory, processor time and what it writes, no network, no address and no password in its
environment, and ends with its parent. The two talk through a folder: `request.json` in, `answer.json` out.

    said = confined.run("jobs.engine.kits.conversion", {"path": "..."}, folder, Limits(seconds=60), check=context.check)

The module's `__main__` ends with `confined.serve(work)`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.sandbox import spawn
from jobs.engine.sandbox.parent_death import die_with_parent
from jobs.engine.sandbox.rlimits import confine

LOOK_SECONDS = 0.1  # how often it is asked whether the run must end
MOST_ANSWER = 50_000_000  # bytes


@dataclass(frozen=True)
class ProcessLimits:
    """seconds: by the clock, and of processor time. memory, written: bytes; `written` is of any one file.

    address_space: as `confine` has it.
    """

    seconds: int = 120
    memory: int = 2 << 30
    written: int = 2_000_000_000
    address_space: bool = True


def run(
    module: str,
    request: dict[str, Any],
    folder: Path,
    limits: ProcessLimits | None = None,
    check: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """What the child answered. Raises BadInput with its sentence, or with ours where it came to no answer.

    check: called ten times a second; what it raises ends the child and goes on to the caller.
    """
    limits = limits or ProcessLimits()
    (folder / "request.json").write_text(jsonsafe.dumps({"limits": asdict(limits), "request": request}))
    in_time = _run(spawn.command(module, str(folder), str(os.getpid())), folder, limits.seconds, check)
    answer = folder / "answer.json"
    if not answer.is_file() or answer.stat().st_size > MOST_ANSWER:
        raise BadInput(_too_costly(None if in_time else limits.seconds), reason="too_costly")
    said: dict[str, Any] = json.loads(answer.read_bytes())
    if "error" in said:
        raise BadInput(said["error"], reason=said["reason"])
    return said


def serve(work: Callable[[dict[str, Any], Path], dict[str, Any]]) -> None:
    """The child's side: limits first, then the work, then its answer."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    asked = json.loads((folder / "request.json").read_bytes())
    most = ProcessLimits(**asked["limits"])
    confine(memory=most.memory, cpu_seconds=most.seconds, file_bytes=most.written, address_space=most.address_space)
    (folder / "unfinished").write_text(jsonsafe.dumps(_answer(work, asked["request"], folder)))
    (folder / "unfinished").rename(folder / "answer.json")


def _run(command: list[str], folder: Path, seconds: int, check: Callable[[], None] | None) -> bool:
    """Whether the child ended by itself in time. What it started ends with it."""
    process = subprocess.Popen(
        command,
        cwd=spawn.ROOT,
        env=spawn.environment(temporary=str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return _waited(process, seconds, check)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _waited(process: subprocess.Popen[bytes], seconds: int, check: Callable[[], None] | None) -> bool:
    for _ in range(round(seconds / LOOK_SECONDS)):
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            return True
        if check:
            check()
    return False


def _answer(work: Callable[[dict[str, Any], Path], dict[str, Any]], request: dict[str, Any], folder: Path) -> Any:
    try:
        return work(request, folder)
    except LegworkError as error:
        return {"error": error.message, "reason": error.reason}
    except MemoryError:
        return {"error": _too_costly(None), "reason": "too_costly"}
    except Exception as error:  # libraries raise what they like for a broken file, and the parent must be told
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return {"error": f"The file seems to be broken: {said}", "reason": "broken"}


def _too_costly(seconds: int | None) -> str:
    given_up = f"; it was given up after {seconds} s" if seconds else ""
    return f"This takes more time or memory than one file may have here{given_up}. Try it with a smaller file."
