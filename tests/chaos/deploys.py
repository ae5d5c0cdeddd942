"""P10: SIGTERM to every process while many jobs run; the next version goes on with all of them."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

from tests.chaos.installation import House
from tests.chaos.sink import sink
from tests.chaos.verdicts import Verdict, at_most
from tests.stories.app_process import there
from tests.stories.site_client import until

GONE_SECONDS = 15.0
IN_FLIGHT = 2


def deploy(house: House, chance: random.Random, jobs: int = 20, *, twice: bool = False) -> list[Verdict]:
    """The house has not been started, or is left started with other workers."""
    house.set_worker(f"python -m jobs worker --processes {jobs}")
    house.begin()
    how = "SIGTERM twice" if twice else "SIGTERM"
    with sink() as (url, witness):
        each = [{"naps": 40, "seconds": 0.2, "witness": url} for _ in range(jobs)]
        ids = house.site.submit_all(f"deploy-{chance.random()}", each, "nap")
        until(lambda: all(len(witness.calls[job]) >= 3 for job in ids), "all jobs running")
        gone = _tell_all(house, twice=twice)
        house.begin()
        ended = house.site.all_ended(ids, 180)
        repeats = max(witness.repeats(job) for job in ids)
        log = [house.site.get(f"/jobs/{job}/timeline").text for job in ids]
    well = sum((job["state"], job["attempt"]) == ("succeeded", 1) for job in ended)
    told = sum("the worker was shut down" in page for page in log)
    house.app.stop()
    return [
        at_most(f"P10 gone after {how}", gone, GONE_SECONDS, "all processes gone after"),
        Verdict(
            f"P10 all go on after {how}",
            f"{well} of {jobs} succeeded in attempt 1, {told} say why they paused, most done again {repeats}",
            well == told == jobs and repeats <= IN_FLIGHT,
        ),
    ]


def _tell_all(house: House, *, twice: bool) -> float:
    """Every process at once, as a service manager does that ends a group. Seconds until the last was gone."""
    everything = [house.app.pid, *(each.pid for each in house.app.processes())]
    began = time.monotonic()
    for _ in range(2 if twice else 1):
        for pid in everything:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
    until(lambda: house.app.running.poll() is not None, "the end of the command", 60)
    until(lambda: not any(map(there, everything)), "the end of every process", 60)
    return time.monotonic() - began
