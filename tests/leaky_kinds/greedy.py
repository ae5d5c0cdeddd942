"""Take more and more memory."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any, Literal

from jobs.engine.sdk import Context, KindParams, param

TITLE = "Take more and more memory"
GROUP = "Data and numbers"
QUEUE = "cpu"
STEP = 40_000_000


class Params(KindParams):
    how: Literal["slowly", "at_once", "item", "in_a_child"] = param("How")


EXAMPLE = {"how": "slowly"}
IN_A_CHILD = f"import time; kept = bytearray({STEP} * 20); time.sleep(600)"


def run(params: Params, context: Context) -> dict[str, Any]:
    if params.how == "item":
        context.map(lambda _: {"bytes": len(bytearray(1 << 42))}, [1, 2, 3])
    elif params.how == "at_once":
        return {"bytes": len(bytearray(1 << 42))}
    elif params.how == "in_a_child":
        subprocess.run([sys.executable, "-c", IN_A_CHILD], check=True)
    kept = []
    for _ in range(600):
        kept.append(bytearray(STEP))
        time.sleep(0.1)
        context.check()
    return {"bytes": len(kept) * STEP}
