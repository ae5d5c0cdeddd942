"""Keep something in a module, where no one can see it; its kind does not say that a process may be used again."""

from __future__ import annotations

import os
from typing import Any

from jobs.engine.kinds.params import KindParams
from jobs.engine.worker.context import Context

TITLE = "Loner"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()

EXAMPLE: dict[str, Any] = {}

kept: list[str] = []


class Params(KindParams):
    pass


def run(_: Params, context: Context) -> dict[str, Any]:
    met = list(kept)
    kept.append(str(context.job.job_id))
    return {"process": os.getpid(), "met": met}
