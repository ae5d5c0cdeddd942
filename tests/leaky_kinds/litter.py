"""Leave something behind in the process, and say what was met there."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from jobs.engine.kinds.params import KindParams, param
from jobs.engine.worker.context import Context

TITLE = "Litter"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
REUSE_PROCESS = True

EXAMPLE: dict[str, Any] = {}

kept: list[Any] = []


class Params(KindParams):
    what: str = param("What is left", default="")
    folder: str = param("A folder to stay in", default="/")
    seconds: float = param("How long it takes", default=0.0)


def run(params: Params, context: Context) -> dict[str, Any]:
    met = {
        "environment": os.environ.get("LITTER"),
        "folder": os.getcwd(),
        "thread": [one.name for one in threading.enumerate() if one.name == "litter"],
        "kept": len(kept),
    }
    context.progress(note="at it")
    time.sleep(params.seconds)
    if params.what:
        LEAVE[params.what](params)
    return {"process": os.getpid(), "met": met}


def _thread(_: Params) -> None:
    threading.Thread(target=time.sleep, args=(60,), name="litter", daemon=True).start()


def _raise(_: Params) -> None:
    raise RuntimeError("a mistake in the kind")


LEAVE: dict[str, Any] = {
    "environment": lambda _: os.environ.update(LITTER="yes"),
    "folder": lambda params: os.chdir(params.folder),
    "thread": _thread,
    "child": lambda _: kept.append(subprocess.Popen(["sleep", "60"])),
    "signal": lambda _: signal.signal(signal.SIGHUP, lambda *_: None),
    "mask": lambda _: os.umask(0o077),
    "limit": lambda _: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "path": lambda _: sys.path.append("/nowhere"),
    "memory": lambda _: kept.append(b"x" * 60_000_000),
    "raise": _raise,
}
