"""Reading notices in a confined child, since anybody can write to the mailbox."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.kits.bounces"
LIMITS = confined.ProcessLimits(seconds=60, memory=1 << 30)


@dataclass(frozen=True)
class Notice:
    """what: "bounce", "delay", "complaint", "other", or "unreadable". final: whether the address gets no further mail."""

    what: str
    address: str = ""
    status: str = ""
    reason: str = ""
    final: bool = False
    message_id: str = ""


def read_notices(mails: Sequence[bytes], check: Callable[[], None] | None = None) -> list[Notice]:
    """What each mail says. One that cannot be read does not keep the others from being read."""
    with tempfile.TemporaryDirectory(prefix="legwork-bounces-") as name:
        paths = [Path(name) / f"{place}.eml" for place in range(len(mails))]
        for path, mail in zip(paths, mails, strict=True):
            path.write_bytes(mail)
        found = _together(paths, check)
        if len(found) < len(paths):  # one of them took the child down: each by itself
            found = [one for path in paths for one in _together([path], check) or [{"what": "unreadable"}]]
        return [Notice(**one) for one in found]


def _together(paths: Sequence[Path], check: Callable[[], None] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    request = {"paths": [str(path) for path in paths]}
    try:
        with closing(
            confined.stream(MODULE, request, LIMITS, reads=paths, check=check, subject="This mail")
        ) as answers:
            found.extend(dict(one) for one in answers)
    except BadInput:
        return found
    return found
