"""Run a program confined: `python -m jobs.engine.sandbox.run_program PARENT SECONDS FOLDER PROGRAM ARGUMENT ...`.

The process limits itself, gives up the network and other files, and then becomes the program.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs.engine.sandbox.parent_death import die_with_parent
from jobs.engine.sandbox.rlimits import confine

MEMORY = 256 << 20
WRITTEN = 10_000_000  # bytes, its output included


def main(parent: int, seconds: int, folder: str, command: list[str]) -> None:
    die_with_parent(parent)
    confine(memory=MEMORY, cpu_seconds=seconds, file_bytes=WRITTEN, folder=Path(folder))
    os.chdir(folder)
    os.execve(command[0], command, {"LC_ALL": "C.UTF-8", "TMPDIR": folder})  # noqa: S606 - one of a few programs, and no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
