"""The tool `run_command`: runs one of a few programs that only read and print, in a folder with the call's files.

Paths, which could lead out of the folder, and long options, some of which start other programs, are refused.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from jobs.engine.errors import BadInput
from jobs.engine.files.inputs import Input
from jobs.engine.kinds.params import FileRef, param
from jobs.engine.kits.tools.base import Arguments, Tool, ToolContext, ToolResult
from jobs.engine.sandbox import spawn

MOST_COPIED = 100_000_000  # bytes of a file
PATH = "/usr/bin:/bin"

Program = Literal[
    "cat", "comm", "cut", "factor", "fold", "grep", "head", "nl", "paste", "seq", "sort", "tail", "tr", "uniq", "wc"
]  # fmt: skip


class Command(Arguments):
    program: Program = param("Program")
    arguments: list[str] = param("Arguments", "Short options, and names of the files below.", default=[], max_length=50)
    files: list[FileRef] = param(
        "Files", "Copied to the program's folder under their names.", default=[], max_length=10
    )
    input: str = param(
        "Input", "Standard input, for a program without a file.", widget="text", default="", max_length=1_000_000
    )


def _run(arguments: Command, reach: ToolContext) -> ToolResult:
    if error := _argument_error(arguments, reach):
        raise BadInput(error, reason="bad_arguments")
    program = shutil.which(arguments.program, path=PATH)
    if program is None:
        raise BadInput(f"{arguments.program} is not installed on this machine.", reason="no_program")
    with tempfile.TemporaryDirectory(prefix="legwork-tool-", ignore_cleanup_errors=True) as kept:
        folder = Path(kept) / "files"
        folder.mkdir()
        for ref in arguments.files:
            _put(reach.open(ref), folder)
        limits = str(os.getpid()), str(reach.seconds), str(folder)
        command = spawn.command("jobs.engine.sandbox.run_program", *limits, program, *arguments.arguments)
        return _ran(command, arguments.input, folder, reach)


def _argument_error(arguments: Command, reach: ToolContext) -> str | None:
    for argument in arguments.arguments:
        if "/" in argument or ".." in argument or "\x00" in argument or len(argument) > 1_000:
            return f"“{argument[:60]}” is not allowed: a program reads only the call's own files, by their names."
        if argument.startswith("--"):
            return f"“{argument[:60]}” is not allowed: only short options are, such as -n."
    return None


def _put(file: Input, folder: Path) -> None:
    if file.bytes > MOST_COPIED:
        raise BadInput(
            f"{file.name} is too large for a program; the limit is {MOST_COPIED:,} bytes.", reason="too_large"
        )
    with file.path() as path:
        shutil.copyfile(path, folder / (Path(file.name).name.lstrip("-.") or "file"))


def _ran(command: list[str], given: str, folder: Path, reach: ToolContext) -> ToolResult:
    """Run the program, and return its output. It is killed at its time limit, or when the run ends."""
    printed, read = folder.parent / "printed", folder.parent / "read"
    read.write_text(given)
    with printed.open("wb") as output, read.open("rb") as source:
        running = spawn.start(command, stdin=source, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = spawn.exit_code(running, reach.seconds, reach.check)
        finally:
            spawn.end(running)
    if code is None:
        raise BadInput(f"The program did not end within {reach.seconds} s, and was ended.", reason="time_limit")
    return ToolResult(printed.read_bytes().decode("utf-8", errors="replace"), code)


EXAMPLE = {"program": "wc", "arguments": ["-w", "reviews.csv"], "files": ["sample:reviews.csv"]}
RUN_COMMAND = Tool("run_command", "Run a small program on text or files.", Command, _run, _argument_error, EXAMPLE)
