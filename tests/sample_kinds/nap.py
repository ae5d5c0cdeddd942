"""Sleep once for each of many items."""

from __future__ import annotations

import os
import time
import urllib.request
from typing import Any, Literal

from jobs.engine.sdk import BadInput, Context, JobFailed, KindParams, Skip, Transient, param

TITLE = "Nap"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
NOUN = ("nap", "naps")


class Params(KindParams):
    naps: int = param("Naps", default=3, ge=0, le=1_000_000)
    seconds: float = param("Length of a nap", default=0.0, ge=0, le=600, unit="s")
    concurrency: int = param("At a time", default=1, ge=1, le=256)
    fail: list[int] = param("Naps that fail", default_factory=list)
    skip: list[int] = param("Naps that are skipped", default_factory=list)
    job: Literal["", "bad", "transient", "crash", "raise"] = param("How the job itself goes wrong", default="")
    witness: str = param("An address that is told of each nap", default="")
    once: bool = param("At most once", default=False)
    fail_until: str = param("A file that heals the failing naps", default="")


EXAMPLE: dict[str, Any] = {"naps": 5, "seconds": 0.01}


def run(params: Params, context: Context) -> dict[str, Any]:
    context.log(f"{params.naps} naps, process {os.getpid()}")
    _go_wrong(params.job)
    counts = context.map(
        lambda number: _nap(number, params, context),
        range(1, params.naps + 1),
        row=lambda number: {"number": number},
        concurrency=params.concurrency,
        at_most_once=params.once,
    )
    return {"naps": counts.done}


def _nap(number: int, params: Params, context: Context) -> dict[str, Any]:
    if params.witness:
        address = f"{params.witness}/{context.job.job_id}/{number}"
        told = urllib.request.Request(address, headers={"Lease": str(context.job.lease)})
        with urllib.request.urlopen(told, timeout=10):
            pass
    if params.seconds:  # to sleep for no time still gives the interpreter's lock away
        time.sleep(params.seconds)
    if number in params.skip:
        raise Skip("Not tired.")
    if number in params.fail and not (params.fail_until and os.path.exists(params.fail_until)):
        raise BadInput(f"Nap {number} was a nightmare.", reason="nightmare")
    return {"slept": params.seconds}


def _go_wrong(how: str) -> None:
    if how == "bad":
        raise JobFailed("This job cannot go on. Change it and try again.")
    if how == "transient":
        raise Transient("The bed is taken.", retry_after=0.2)
    if how == "crash":
        os.kill(os.getpid(), 9)
    if how == "raise":
        raise RuntimeError("a mistake in the kind")
