"""Office files by LibreOffice, where the program `soffice` is on the PATH: to PDF with their own look, and DOC and PPT at all.

It runs in a confined child: no network, no file but the one it converts, a profile folder of its own, limits on time and memory.
`python -m jobs.engine.formats.libreoffice` is that child.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.sandbox import confined
from jobs.engine.sandbox.parent_death import tied_to_this_process

MODULE = "jobs.engine.formats.libreoffice"
SECONDS = 120  # wall-clock limit for a file
MEMORY = 4 << 30  # of addresses; 0.3 GB of it are in use
MISSING = (
    "LibreOffice is not installed here: there is no program soffice on the PATH. The operator adds it with "
    "`apt-get install libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui`."
)
FAILED = "LibreOffice cannot open this file: it is damaged, or locked with a password."
SYSTEM = ("/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice")  # what its folder links to
STARTS = 2  # the first start only makes the profile, and asks for another
SOCKETS = Path("/tmp")  # noqa: S108 - LibreOffice listens there for a second start, whatever TMPDIR says


def program() -> str | None:
    """The path of soffice; None where it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def convert(source: Path, format: str, to: str, folder: Path, check: Callable[[], None] | None = None) -> Path:
    """The file in another format, in a new folder within `folder`. Raises BadInput if LibreOffice does not make one.

    format: the name that the source's suffix has. check: raises if the run must end, which also ends LibreOffice.
    """
    soffice = program()
    if soffice is None:
        raise BadInput(MISSING, reason="no_libreoffice")
    place = folder / "libreoffice"
    place.mkdir()
    reads = [source, _installed(Path(soffice).resolve()), *filter(Path.is_dir, map(Path, SYSTEM))]
    limits = confined.ProcessLimits(seconds=SECONDS, memory=MEMORY, local_sockets=True)
    request = {"path": str(source.absolute()), "soffice": soffice, "format": format, "to": to}
    try:
        confined.run(MODULE, request, limits, reads=reads, folder=place, check=check, subject="The document")
    finally:
        _remove_sockets(place)
    return place / f"source.{to}"


def _installed(soffice: Path) -> Path:
    """The folder that it is installed in: its programs lie in one below."""
    return soffice.parents[1] if soffice.parent.name in ("program", "MacOS") else soffice.parent


def _profile(folder: Path, start: int) -> Path:
    return folder / f"profile{start}"


def _remove_sockets(folder: Path) -> None:
    """What LibreOffice left in /tmp. It names them by a hash of the profile's address, without zeros in front of a byte."""
    for start in range(STARTS):
        digest = hashlib.md5(_profile(folder, start).as_uri().encode("utf-16-le"), usedforsecurity=False).digest()
        for left in SOCKETS.glob(f"OSL_PIPE_*SingleOfficeIPC_{''.join(f'{byte:x}' for byte in digest)}"):
            with suppress(OSError):
                left.unlink()


def _work(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    source, made = folder / f"source.{request['format']}", folder / f"source.{request['to']}"
    shutil.copyfile(request["path"], source)
    for start in range(STARTS):
        if start:  # under another name, because the socket of the first start cannot be removed from here
            _profile(folder, start - 1).rename(_profile(folder, start))
        else:
            _profile(folder, start).mkdir()
        _run(request["soffice"], request["to"], source, folder, _profile(folder, start))
        if made.is_file():
            return {}
    raise BadInput(FAILED, reason="broken")


def _run(soffice: str, to: str, source: Path, folder: Path, profile: Path) -> None:
    options = ("--headless", "--norestore", "--nologo", "--nolockcheck", "--nodefault")
    command = [soffice, *options, f"-env:UserInstallation={profile.as_uri()}", "--convert-to", to]
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [*command, "--outdir", str(folder), str(source)],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        preexec_fn=tied_to_this_process(),  # this process has one thread
    )


if __name__ == "__main__":
    confined.serve(_work)
