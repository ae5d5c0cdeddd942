"""Say when the run began, and end."""

from __future__ import annotations

import time
from typing import Any

from jobs.engine.context import Context
from jobs.engine.params import KindParams

TITLE = "Stamp"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
REUSE_PROCESS = True


class Params(KindParams):
    pass


EXAMPLE: dict[str, Any] = {}


def run(_: Params, context: Context) -> dict[str, Any]:
    return {"began": time.time()}
