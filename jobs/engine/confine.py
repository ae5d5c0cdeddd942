"""Limits that a child process of ours puts on itself before it touches what strangers wrote."""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def confine(*, memory: int, cpu_seconds: int, file_bytes: int) -> None:
    """Limit the memory and each file (bytes) and the processor time of this process, and take the network from it if that
    is permitted. Call it while the process has one thread."""
    _without_network()
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _lower(what, most)


def _without_network() -> bool:
    """Whether this process now has a network of its own, with nothing in it (Linux, where the machine permits it)."""
    if sys.platform != "linux":
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return unshare(flags) == 0


def _lower(what: int, most: int) -> None:
    """A limit is never raised: one that stands below already stays."""
    _, hard = resource.getrlimit(what)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (least, least))
