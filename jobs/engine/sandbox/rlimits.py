"""Limits that a child process of ours puts on itself before it touches what strangers wrote."""

from __future__ import annotations

import resource

from jobs.engine.sandbox import offline

MOST_OPEN = 256  # files


def confine(*, memory: int, cpu_seconds: int, file_bytes: int, address_space: bool = True) -> None:
    """Limit the memory and each file (bytes) and the processor time of this process, and take the network from it.

    address_space: whether `memory` bounds all addresses, or only what is data: V8 reserves gigabytes that it never uses.
    """
    offline.leave_network()
    for what, most in (
        (resource.RLIMIT_AS if address_space else resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, MOST_OPEN),
        (resource.RLIMIT_CORE, 0),
    ):
        _lower(what, most)


def _lower(what: int, most: int) -> None:
    """A limit is never raised: one that stands below already stays."""
    _, hard = resource.getrlimit(what)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (least, least))
