"""Leave a file behind."""

from __future__ import annotations

import hashlib
from typing import Any

from jobs.engine.sdk import Context, KindParams, param

TITLE = "Keepsake"
GROUP = "Files and documents"
QUEUE = "cpu"
NEEDS = ()


class Params(KindParams):
    bytes: int = param("Size", default=1_000, ge=1, le=50_000_000, unit="bytes")


EXAMPLE: dict[str, Any] = {"bytes": 1_000}


def run(params: Params, context: Context) -> dict[str, Any]:
    data = hashlib.shake_128(context.job.job_id.bytes).digest(params.bytes)
    context.save("keepsake.bin", data, "application/octet-stream")
    return {"sha256": hashlib.sha256(data).hexdigest()}
