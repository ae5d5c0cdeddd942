"""Say when the run began, and end."""

from __future__ import annotations

import time
from typing import Any

from jobs.engine.sdk import Context, KindParams, param

TITLE = "Stamp"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
REUSE_PROCESS = True


class Params(KindParams):
    seconds: float = param("Wait before the end", default=0.0, ge=0, le=600, unit="s")


EXAMPLE: dict[str, Any] = {}


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.time()
    if params.seconds:
        time.sleep(params.seconds)
    return {"began": began}
