"""Take all of something that others need too, and hold it for a while."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any, Literal

from jobs.engine.sdk import Context, KindParams, param

TITLE = "Greedy"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
NOUN = ("bite", "bites")
ONE_PIECE = True

MEGABYTE = 1_000_000


class Params(KindParams):
    takes: Literal["memory", "descriptors", "threads", "connections", "processor"] = param("What", default="memory")
    seconds: float = param("For how long", default=5.0, ge=0, le=60, unit="s")


EXAMPLE: dict[str, Any] = {"takes": "processor", "seconds": 0}


def run(params: Params, context: Context) -> dict[str, Any]:
    taken: list[Any] = []
    with suppress(OSError, RuntimeError):  # there is no more of it
        until = time.monotonic() + params.seconds
        while time.monotonic() < until and len(taken) < 200_000:
            if (one := _one(params.takes, params.seconds)) is not None:
                taken.append(one)
    context.check()
    time.sleep(params.seconds)
    return {"taken": len(taken)}


def _one(what: str, seconds: float) -> Any:
    if what == "memory":
        return os.urandom(MEGABYTE) * 16
    if what == "descriptors":
        return open(os.devnull, "rb")
    if what == "threads":
        one = threading.Thread(target=time.sleep, args=[2 * seconds], daemon=True)
        one.start()
        return one
    if what == "connections":
        return _connection()
    return None


def _connection() -> Any:
    import psycopg

    from jobs.engine import settings

    try:
        return psycopg.connect(settings.current().database_url.replace("+psycopg", ""))
    except psycopg.OperationalError as error:
        raise OSError("There are no more.") from error
