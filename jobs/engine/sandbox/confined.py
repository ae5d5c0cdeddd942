"""Work in a child process that can harm only itself: for untrusted files, and for libraries that may hang or crash.

The child has limits on memory, processor time and what it writes, no network, no other process to reach, no address and no
password in its environment. It reads only libraries and the files that `reads` names, and ends with its parent. The request goes
to it as a line of JSON, its answers come as lines of JSON.

    said = confined.run("jobs.engine.kits.conversion", {"path": "..."}, ProcessLimits(seconds=60), reads=[path])

The module's `__main__` ends with `confined.serve(work)`, where `work` returns one answer or yields several. `stream` gives
several as they come. Within `warm.started(module)` children are forks of a process that has imported the module (warm.py).
Every child of ours that reads untrusted content is one of these.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.sandbox import child_limit, warm
from jobs.engine.sandbox.parent_death import die_with_parent
from jobs.engine.sandbox.rlimits import confine
from jobs.engine.sandbox.spawn import Check, LineChild, PipedChild

# Packages that parse untrusted files or run in children for another reason. No process that stays imports them.
CHILDREN_ONLY = frozenset(
    {
        "duckdb",
        "olefile",
        "openpyxl",
        "PIL",
        "pi_heif",
        "pypandoc",
        "pypdfium2",
        "python_calamine",
        "typst",
        "vl_convert",
        "xlrd",
        "xlsxwriter",
    },
)
# What the standard library raises for a file that is cut off or damaged. Each reader names what its own library raises.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    UnicodeDecodeError,
    struct.error,
    RecursionError,
)
BROKEN = "The file is broken and cannot be read."
FAULT = "Legwork could not read this file (a fault of ours: {}). Its place is in the log."
Request = dict[str, Any]
Answered = TypeVar("Answered", bound=dict[str, Any] | Iterable[Any])


@dataclass(frozen=True)
class ProcessLimits:
    """seconds: how long the parent waits in all, and the processor time unless `cpu` gives another.

    memory, written: bytes; `written` is of any one file. address_space, local_sockets: see `confine`.
    """

    seconds: int = 120
    memory: int = 2 << 30
    written: int = 2_000_000_000
    address_space: bool = True
    cpu: int | None = None
    local_sockets: bool = False


log = logging.getLogger(__name__)


class TooCostly(BadInput):
    """The child reached a limit. `timed_out`: that of its time."""

    reason = "too_costly"

    def __init__(self, subject: str, advice: str, seconds: int | None = None):
        self.timed_out = seconds is not None
        given_up = f"; it was given up after {seconds} s" if self.timed_out else ""
        super().__init__(f"{subject} takes more time or memory than one file may have here{given_up}. {advice}")


def run(
    module: str,
    request: Request,
    limits: ProcessLimits | None = None,
    *,
    reads: Sequence[Path] = (),
    folder: Path | None = None,
    check: Check = None,
    subject: str = "This",
    advice: str = "Try it with a smaller file.",
) -> dict[str, Any]:
    """The child's answer. Raises BadInput with its sentence, or TooCostly where it came to no answer.

    reads: the files that it may read. folder: where it may put files; without one it has one for itself, which goes when it ends.
    check: called ten times a second; what it raises ends the child and goes on to the caller.
    subject, advice: how that sentence begins and ends.
    """
    answers = stream(module, request, limits, reads=reads, folder=folder, check=check, subject=subject, advice=advice)
    with closing(answers):
        if (said := next(answers, None)) is None:
            raise TooCostly(subject, advice)
        return dict(said)


def stream(
    module: str,
    request: Request,
    limits: ProcessLimits | None = None,
    *,
    reads: Sequence[Path] = (),
    folder: Path | None = None,
    check: Check = None,
    subject: str = "This",
    advice: str = "Try it with a smaller file.",
) -> Generator[Any, None, None]:
    """The child's answers as they come; otherwise as `run`. Closing the generator ends the child."""
    limits = limits or ProcessLimits()
    with started(module, request, limits, folder, reads) as child:
        while line := _line(child, limits.seconds, check, subject, advice):
            answer = json.loads(line)
            if isinstance(answer, dict) and "error" in answer:
                raise _refusal(answer, subject, advice)
            yield answer
        if not child.ended_well():
            raise TooCostly(subject, advice)


def _place(error: Exception) -> str:
    """Where an error came from, without its text, which may hold what is in the file."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))


def _line(child: LineChild, seconds: int, check: Check, subject: str, advice: str) -> bytes:
    try:
        return child.line(seconds - child.seconds, check)
    except TimeoutError:
        raise TooCostly(subject, advice, seconds) from None
    except BrokenPipeError:
        raise TooCostly(subject, advice) from None


def _refusal(answer: dict[str, str], subject: str, advice: str) -> BadInput:
    if answer.get("place"):
        log.error("A reader failed at %s: %s", answer["place"], answer["error"])
    if answer["error"]:
        return BadInput(answer["error"], reason=answer["reason"])
    return TooCostly(subject, advice)


@contextmanager
def started(
    module: str, request: Request, limits: ProcessLimits, folder: Path | None, reads: Sequence[Path] = ()
) -> Iterator[LineChild]:
    """The child, which has the request and takes more on its input. Raises TooMany where the web process has too many."""
    with child_limit.place(), _folder(folder) as place, _child(module, place) as child:
        paths = {"folder": str(place), "reads": [str(path.absolute()) for path in reads]}
        asked = {"limits": asdict(limits), **paths, "parent": child.parent, "request": request}
        with suppress(BrokenPipeError):  # its answer will be missing
            child.send(jsonsafe.dumps(asked).encode() + b"\n")
        yield child


def _child(module: str, place: Path) -> LineChild:
    return warm.child(module) or PipedChild(module, temporary=str(place))


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="legwork-child-", ignore_cleanup_errors=True) as made:
        yield Path(made)


class ChildEnd:
    """The child's end of the pipes, once it has put its limits on itself. What libraries print goes nowhere."""

    def __init__(self, *, outlives_parent: bool = False):
        self.input = os.fdopen(os.dup(0), "rb")
        self._output = os.fdopen(os.dup(1), "wb")
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1):
            os.dup2(null, standard)
        asked = json.loads(self.input.readline())
        if not outlives_parent:
            die_with_parent(asked["parent"])
        most = ProcessLimits(**asked["limits"])
        cpu = most.seconds if most.cpu is None else most.cpu
        self.folder = Path(asked["folder"])
        os.environ["TMPDIR"], tempfile.tempdir = asked["folder"], None
        confine(
            memory=most.memory,
            cpu_seconds=cpu,
            file_bytes=most.written,
            address_space=most.address_space,
            reads=[Path(path) for path in asked["reads"]],
            folder=self.folder,
            local_sockets=most.local_sockets,
        )
        self.request: Request = asked["request"]

    def answer(self, value: Any) -> None:
        """Send a value; bytes are one that is JSON already."""
        self._output.write((value if isinstance(value, bytes) else jsonsafe.dumps(value).encode()) + b"\n")
        self._output.flush()

    def refuse(self, message: str, reason: str) -> None:
        self.answer({"error": message, "reason": reason})


def _damaged() -> tuple[type[Exception], ...]:
    from xml.etree.ElementTree import ParseError  # here, because expat is for children alone

    return (*DAMAGED, ParseError)


def serve(work: Callable[[Request, Path], Answered]) -> None:
    """The child's side: limits first, then the work, then its answer or answers."""
    child = ChildEnd()
    try:
        answered: dict[str, Any] | Iterable[Any] = work(child.request, child.folder)
        for one in [answered] if isinstance(answered, dict) else answered:
            child.answer(one)
    except BrokenPipeError:  # nobody waits for the answer
        os._exit(1)
    except LegworkError as error:
        child.refuse(error.message, error.reason)
    except MemoryError:
        child.refuse("", TooCostly.reason)
    except _damaged():
        child.refuse(BROKEN, "broken")
    except Exception as error:  # a fault of ours, and the parent must be told
        child.answer({"error": FAULT.format(type(error).__name__), "reason": "fault", "place": _place(error)})
    os._exit(0)  # what libraries have running must not be waited for
