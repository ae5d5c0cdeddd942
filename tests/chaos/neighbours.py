"""Jobs that take all of something: memory, descriptors, threads, connections, the processor. The others go on."""

from __future__ import annotations

import random
import time

from tests.chaos.installation import House
from tests.chaos.verdicts import Verdict, at_most

MEMORY_MB = 400  # JOB_MEMORY_MB of the house
SECONDS = 5.0
LATE_SECONDS = 30.0
ENDS = {
    "memory": ("failed", "memory_limit"),
    "descriptors": ("succeeded", None),
    "threads": ("succeeded", None),
    "connections": ("succeeded", None),
    "processor": ("succeeded", None),
}


def neighbours(house: House, chance: random.Random, others: int = 10) -> list[Verdict]:
    found = []
    for takes, wanted in ENDS.items():
        key = f"{takes}-{chance.random()}"
        greedy = house.site.submit_keyed(key, "greedy", takes=takes, seconds=SECONDS)
        began = time.monotonic()
        ids = house.site.submit_all(key, [{"naps": 3, "seconds": 0.05}] * others, "nap")
        well = sum(job["state"] == "succeeded" for job in house.site.all_ended(ids))
        late = time.monotonic() - began
        ended = house.site.ended(greedy)
        found += [
            Verdict(
                f"A job takes all {takes}: the others succeed",
                f"{well} of {others}; it ended as {ended['state']}, {ended['reason']}: {ended['message']}",
                well == others and (ended["state"], ended["reason"]) == wanted,
            ),
            at_most(f"A job takes all {takes}: the others are not held up", late, LATE_SECONDS, "all of them after"),
        ]
    return found
