"""Limits that a child process puts on itself before it reads untrusted content."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

from jobs.engine.sandbox import landlock, syscall_filter
from jobs.engine.sandbox.parent_death import forbid_tracing

MOST_OPEN = 256  # files
_confined = False


def confine(
    *,
    memory: int,
    cpu_seconds: int,
    file_bytes: int,
    address_space: bool = True,
    reads: Sequence[Path] = (),
    folder: Path | None = None,
    local_sockets: bool = False,
) -> None:
    """Limit the memory and each file (bytes) and the processor time of this process; leave it no network, no other process,
    and of the files only the libraries, `reads`, and `folder` to write in.

    address_space: whether `memory` limits all addresses or only data; V8 reserves gigabytes that it never uses.
    local_sockets: see `syscall_filter.apply`.
    """
    global _confined
    forbid_tracing()
    landlock.apply(reads, folder, local_sockets)
    syscall_filter.apply(local_sockets)
    for what, most in (
        (resource.RLIMIT_AS if address_space else resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, MOST_OPEN),
        (resource.RLIMIT_CORE, 0),
    ):
        lower(what, most)
    _confined = True


def is_confined() -> bool:
    """Whether this process has limited itself."""
    return _confined


def lower(what: int, most: int) -> None:
    """A limit is never raised: one that stands below already stays."""
    _, hard = resource.getrlimit(what)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (least, least))
