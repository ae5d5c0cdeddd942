"""ZIP archives of files: what is in them, and each file out of them, with an eye on what it unpacks to.

Sizes are counted while unpacking, since a header may lie. Names are only ever shown: nothing is written under one.
"""

from __future__ import annotations

import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jobs.engine.errors import NO_SPACE, BadInput, LegworkError
from jobs.engine.formats.tables import encodings

MOST_MEMBERS = 10_000
MOST_UNPACKED = 2_000_000_000  # bytes, of one archive
MOST_DIRECTORY = 8_000_000  # bytes; zipfile takes all of the directory into memory
CHUNK = 1 << 20
UTF8_FLAG = 0x800
_ENCODINGS = (  # of the programs that write archives, the usual one first
    *(
        "cp437",
        "cp850",
        "cp932",
        "gb18030",
        "cp949",
        "big5hkscs",
        "cp866",
        "cp1252",
        "cp1250",
        "cp1251",
        "cp852",
        "cp737",
    ),
    *("cp1253", "cp862", "cp1255", "cp1256"),
)
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Member:
    """A file in an archive: its place in the directory, and its name without and with the folders, for showing."""

    index: int
    name: str
    path: str


def opened(path: Path) -> zipfile.ZipFile:
    """The archive. Raises BadInput where it is broken, or where its mere directory is too large to be looked at."""
    try:
        with path.open("rb") as file:
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end and end[zipfile._ECD_SIZE] > MOST_DIRECTORY:  # type: ignore[attr-defined]
            raise BadInput("The archive has too many files to be looked at. Split it.", reason="too_large")
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadInput("The archive is broken and cannot be opened.", reason="broken") from error


def members(path: Path) -> list[Member]:
    """The files of an archive. Raises BadInput where it is broken or has too many."""
    with opened(path) as archive:
        listed = archive.infolist()
    if len(listed) > MOST_MEMBERS:
        said = f"The archive has {len(listed):,} files; at most {MOST_MEMBERS:,} are taken. Split it."
        raise BadInput(said, reason="too_large")
    if sum(one.file_size for one in listed) > MOST_UNPACKED:
        raise _too_much()
    names = [name.replace("\\", "/") for name in _names(listed)]
    return [
        Member(index, _shown(name), name[-500:])
        for index, name in enumerate(names)
        if not name.endswith("/") and not any(map(_is_clutter, PurePosixPath(name).parts))
    ]


def unpack(path: Path, index: int, target: BinaryIO, most: int) -> int:
    """Write one file of an archive into `target`; returns its bytes. Raises BadInput past `most`, and for links and locks."""
    try:
        with opened(path) as archive:
            one = archive.infolist()[index]
            if stat.S_ISLNK(one.external_attr >> 16):
                raise BadInput("This is a link to another file, not a file.", reason="link")
            if one.flag_bits & 1:
                raise BadInput(
                    "The archive is locked with a password. Unpack it and upload what is in it.", reason="locked"
                )
            return _copied(archive, one, target, most)
    except LegworkError:
        raise
    except Exception as error:  # zipfile and the unpackers below it raise what they like
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            said = "There is no space left to unpack the archive. Free some space, then retry what failed."
            raise LegworkError(said, reason="no_space", retryable=True) from error
        raise BadInput("This file of the archive is broken and cannot be unpacked.", reason="broken") from error


def _is_clutter(part: str) -> bool:
    """Whether this is a name of what a Mac or Windows puts beside the files."""
    return part in _CLUTTER or part.startswith("._")


def _names(listed: list[zipfile.ZipInfo]) -> list[str]:
    """The members' names. Without the flag for UTF-8 zipfile reads code page 437; many programs mean another encoding by that.

    UTF-8 is taken where the bytes are that; else what is likeliest for all such names together.
    """
    old = {index: one.filename.encode("cp437") for index, one in enumerate(listed) if _without_encoding(one)}
    found = {index: _utf8(name) for index, name in old.items()}
    unsure = [index for index in old if found[index] is None]
    words = b"\n".join(old[index] for index in unsure)
    encoding = encodings.likeliest(words, _ENCODINGS)[1] or "cp437"
    found |= {index: old[index].decode(encoding, "replace") for index in unsure}
    return [found.get(index) or one.filename for index, one in enumerate(listed)]


def _without_encoding(one: zipfile.ZipInfo) -> bool:
    return not one.flag_bits & UTF8_FLAG and not one.filename.isascii() and one.filename == one.orig_filename


def _utf8(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


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
    last = name.rsplit("/", 1)[-1][:255]
    return last if last.strip(" .") else "unnamed"
