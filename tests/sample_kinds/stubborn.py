"""Ignore every polite way of being told to stop."""

from __future__ import annotations

import ctypes
import time
from typing import Any, Literal

from jobs.engine.sdk import Context, KindParams, param

TITLE = "Stubborn"
GROUP = "Data and numbers"
QUEUE = "cpu"
TIME_LIMIT = 3


class Params(KindParams):
    how: Literal["sleep", "loop", "swallow", "c_call"] = param("How", default="sleep")
    seconds: float = param("For how long", default=30.0, ge=0, le=600)


EXAMPLE: dict[str, Any] = {"how": "sleep", "seconds": 0.1}


def run(params: Params, context: Context) -> dict[str, Any]:
    context.progress(0, 1, "being stubborn")
    end = time.monotonic() + params.seconds
    if params.how == "sleep":
        time.sleep(params.seconds)
    elif params.how == "c_call":
        ctypes.PyDLL(None).usleep(int(params.seconds * 1e6))  # holds the GIL
    while time.monotonic() < end:
        if params.how == "swallow":
            try:
                context.check()
                time.sleep(0.01)
            except BaseException:  # noqa: S112  (that is what it is here for)
                continue
    return {"seconds": params.seconds}
