"""Take the network from this process and what it starts: for children that read untrusted content.

On Linux a seccomp filter refuses every socket, local ones included, on which a database or a broker may listen. Where the
kernel takes no such filter, the process moves into an empty network namespace. Elsewhere nothing can be done.
`python -m jobs.engine.sandbox` is a child that answers which it is: the doctor asks it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

# The filter is a program of classic BPF over (number of the system call, architecture, ...).
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets of its input
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # with EACCES
_FOREIGN = 0x40000000  # from here on: calls of the x32 ABI, which have other numbers
_IO_URING_SETUP = 425  # opens sockets without the call for it
_MACHINES = {"x86_64": (0xC000003E, 41, 317), "aarch64": (0xC00000B7, 198, 277)}  # architecture, socket, seccomp

_NO_NEW_PRIVILEGES = 38
_SET_FILTER, _ALL_THREADS = 1, 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def leave_network() -> str:
    """Give up the network for good. Returns how: "filter", "namespace", or "" where the machine permits neither."""
    if sys.platform != "linux":
        return ""
    libc = ctypes.CDLL(None, use_errno=True)
    return "filter" if _filtered(libc) else "namespace" if _moved(libc) else ""


def _filtered(libc: ctypes.CDLL) -> bool:
    if platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return False
    architecture, socket, seccomp = _MACHINES[platform.machine()]
    steps = _steps(architecture, socket)
    program = _Program(len(steps) // 8, steps)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    asked = (ctypes.c_long(number) for number in (seccomp, _SET_FILTER, _ALL_THREADS))
    return bool(libc.syscall(*asked, ctypes.byref(program)) == 0)


def _steps(architecture: int, socket: int) -> bytes:
    """Refuse foreign calls, sockets and io_uring; allow the rest. Each step: code, steps on if so, if not, value."""
    return b"".join(
        struct.pack("=HBBI", *step)
        for step in (
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUAL, 0, 4, architecture),
            (_LOAD, 0, 0, _NUMBER),
            (_AT_LEAST, 2, 0, _FOREIGN),
            (_EQUAL, 1, 0, socket),
            (_EQUAL, 0, 1, _IO_URING_SETUP),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        )
    )


def _moved(libc: ctypes.CDLL) -> bool:
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(libc.unshare(flags) == 0)
