"""What each program of ours does first: keep its memory and its files from the other users of the machine."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from jobs.engine.sandbox.parent_death import forbid_tracing
from jobs.engine.settings import Settings

_OTHERS = 0o077


def be_private(chosen: Settings) -> None:
    """New files are for this user alone, and only root may look into this process, unless ALLOW_TRACING is set.

    What this starts has files like it. DATA_DIR is closed, where an earlier version left it open.
    """
    data_dir = chosen.data_dir
    if not chosen.allow_tracing:
        forbid_tracing()
    os.umask(_OTHERS)
    with suppress(OSError):  # there is none yet, or it is another user's
        for path in data_dir.iterdir():  # what lies deeper is closed with them
            with suppress(OSError):
                _close(path)
        data_dir.chmod(0o711 if os.getuid() == 0 else 0o700)  # root's Postgres, another user, must pass through it


def _close(path: Path) -> None:
    """Links are left alone, and what belongs to others, as root's Postgres does."""
    found = path.lstat()
    if found.st_mode & _OTHERS and found.st_uid == os.getuid() and not stat.S_ISLNK(found.st_mode):
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
