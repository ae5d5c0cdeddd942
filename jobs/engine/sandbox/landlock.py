"""Keep this process, and what it starts, to a few files (Linux's Landlock): for children that read untrusted content.

It may read the libraries, the fonts and the files it is given, and write in one folder. It needs no privilege, holds for root
too, and keeps other processes from being traced. Kernels before 5.13, and those started without it, have none.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from jobs.engine.sandbox.spawn import ROOT
from jobs.engine.sandbox.syscall_filter import no_new_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER, _REMOVE_FOLDER, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_FOLDER, _MAKE_FILE, _MAKE_SOCKET, _MAKE_FIFO, _MAKE_LINK, _REFER, _TRUNCATE = (
    1 << bit for bit in (7, 8, 9, 10, 12, 13, 14)
)
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
_MAKE = _MAKE_FOLDER | _MAKE_FILE | _MAKE_FIFO | _MAKE_LINK | _REFER
_WRITE = _READ_FILE | _READ_FOLDER | _WRITE_FILE | _TRUNCATE | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # bits that a version knows; later ones know 16
_NET, _SCOPES = 0b11, 0b11  # from versions 4 and 6: bind and connect by TCP; abstract sockets and signals
_NAMED_BY_PATH = os.O_PATH | os.O_CLOEXEC if sys.platform == "linux" else 0

_SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/mime.types", "/etc/magic", "/var/cache/fontconfig"),
    *("/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version", "/proc/sys/vm"),
    *("/sys/fs/cgroup", "/sys/devices/system", "/sys/kernel/mm/transparent_hugepage"),
    *("/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
)


def apply(reads: Sequence[Path] = (), folder: Path | None = None, local_sockets: bool = False) -> bool:
    """Keep to these files, and this folder, for good. Returns whether the kernel does it."""
    libc = ctypes.CDLL(None, use_errno=True)
    known = version()
    if known < 1 or not no_new_privileges(libc):
        return False
    handled = (1 << _RIGHTS.get(known, 16)) - 1
    asked = struct.pack("=QQQ", handled, _NET if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    rules = libc.syscall(_CREATE_RULESET, asked, len(asked), 0)
    if rules < 0:
        return False
    try:
        for path, rights in _rules(reads, folder):
            _allow(libc, rules, path, rights & handled)
        if local_sockets:
            _allow(libc, rules, Path("/tmp"), _MAKE_SOCKET)  # noqa: S108 - where LibreOffice puts it
        return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def version() -> int:
    """Which version of Landlock this kernel has; 0 or less for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)) if sys.platform == "linux" else 0


def _rules(reads: Sequence[Path], folder: Path | None) -> Iterator[tuple[Path, int]]:
    for path in {*map(Path, _SYSTEM), *_python()}:
        yield path, _READ
    for path in reads:
        yield path, _READ if path.is_dir() else _READ_FILE
    yield Path(os.devnull), _READ_FILE | _WRITE_FILE
    if folder is not None:
        yield folder, _WRITE
        yield (
            folder.parent,
            _REMOVE_FOLDER,
        )  # for the folder itself, where nobody else is left to do it; none that has files


def _python() -> set[Path]:
    """Where Python and its packages are. Of our own folder only the code: DATA_DIR may be in it."""
    places = {Path(place) for place in (sys.prefix, sys.base_prefix, *sys.path) if place}
    return places - {ROOT} | {ROOT / "jobs"}


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    with suppress(OSError):  # one that this machine has not
        opened = os.open(path, _NAMED_BY_PATH)
        try:
            rule = struct.pack("=Qi", rights if path.is_dir() else rights & _OF_FILES, opened)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
        finally:
            os.close(opened)
