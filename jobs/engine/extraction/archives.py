"""ZIP archives of files: what is in them, and each file out of them, with an eye on what it unpacks to.

Sizes are counted while unpacking, since a header may lie. Names are only ever shown: nothing is written under one.
"""

from __future__ import annotations

import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jobs.engine.errors import BadInput

MOST_MEMBERS = 10_000
MOST_UNPACKED = 2_000_000_000  # bytes, of one archive
CHUNK = 1 << 20
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Member:
    """A file in an archive: its place in the directory, and its name without and with the folders, for showing."""

    index: int
    name: str
    path: str


def members(path: Path) -> list[Member]:
    """The files of an archive. Raises BadInput where it is broken or has too many."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadInput("The archive is broken and cannot be opened.", reason="broken") from error
    if len(listed) > MOST_MEMBERS:
        said = f"The archive has {len(listed):,} files; at most {MOST_MEMBERS:,} are taken. Split it."
        raise BadInput(said, reason="too_large")
    if sum(one.file_size for one in listed) > MOST_UNPACKED:
        raise _too_much()
    return [
        Member(index, _shown(one.filename), one.filename[-500:])
        for index, one in enumerate(listed)
        if not one.is_dir() and not any(part in _CLUTTER for part in PurePosixPath(one.filename).parts)
    ]


def unpack(path: Path, index: int, target: BinaryIO, most: int) -> int:
    """Write one file of an archive into `target`; returns its bytes. Raises BadInput past `most`, and for links and locks."""
    try:
        with zipfile.ZipFile(path) as archive:
            one = archive.infolist()[index]
            if stat.S_ISLNK(one.external_attr >> 16):
                raise BadInput("This is a link to another file, not a file.", reason="link")
            if one.flag_bits & 1:
                raise BadInput(
                    "The archive is locked with a password. Unpack it and upload what is in it.", reason="locked"
                )
            return _copied(archive, one, target, most)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadInput("This file of the archive is broken and cannot be unpacked.", reason="broken") from error
    except Exception as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("This file of the archive is broken and cannot be unpacked.", reason="broken") from error


def _copied(archive: zipfile.ZipFile, one: zipfile.ZipInfo, target: BinaryIO, most: int) -> int:
    total = 0
    with archive.open(one) as opened:
        while chunk := opened.read(CHUNK):
            total += len(chunk)
            if total > most:
                raise _too_much()
            target.write(chunk)
    return total


def _too_much() -> BadInput:
    return BadInput(
        "The archive unpacks to more than is taken here. Upload its files in smaller parts.", reason="too_large"
    )


def _shown(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1][:255] or "unnamed"
