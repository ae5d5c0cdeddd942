"""One job in several workers, under random kills and with a broker that forgets. The sink counts."""

from __future__ import annotations

import random
import time

from tests.chaos.crowd import IN_FLIGHT
from tests.chaos.installation import House
from tests.chaos.killer import Killer
from tests.chaos.sink import sink
from tests.chaos.verdicts import Verdict
from tests.stories.site_client import until

NAP_SECONDS = 0.03
_WORKERS = 4  # of the app that is hit
WITHOUT_WEB = {"child": 6, "worker": 6, "both": 4, "clock": 1}


def wide(
    house: House, chance: random.Random, items: int, every: tuple[float, float] = (0.8, 2.0), once: bool = False
) -> list[Verdict]:
    """once: no item may happen twice, as a mail; those in flight at a kill are unknown then."""
    name = f"{items:,} items of one job{', each at most once' if once else ''}"
    with sink() as (url, witness):
        job = house.site.submit_keyed(
            f"wide-{chance.random()}", "wide_nap", naps=items, seconds=NAP_SECONDS, witness=url, once=once
        )
        killer = Killer(house.app, chance, victims=WITHOUT_WEB, every=every)
        with killer.at_work():
            for part in (1, 2):
                until(lambda part=part: len(witness.calls[job]) >= items * part / 3, "a part of the items", items)
                with house.broker() as broker:
                    broker.flushall()
            until(lambda: len({call.number for call in witness.calls[job]}) >= items * 0.98, "most of the items", items)
        ended = house.site.ended(job, 120 + items)
        time.sleep(0.2)
        progress = ended["progress"]
        counted = {state: progress[state] for state in ("done", "failed", "skipped", "unknown")}
        seen = len({call.number for call in witness.calls[job]})
        kills = f"{killer.total} kills, 2 FLUSHALL"
        allowed = IN_FLIGHT * _WORKERS * killer.total
        found = [
            Verdict(
                f"{name}: none is lost",
                f"{ended['state']}, {counted}, {seen:,} seen; {kills}",
                sum(counted.values()) == items == progress["total"]
                and counted["failed"] == 0
                and counted["done"] <= seen,
            )
        ]
        twice = witness.twice(job)
        if once:
            return [
                *found,
                Verdict(f"{name}: none happens twice", f"{twice} twice", twice == 0),
                Verdict(
                    f"{name}: only those in flight are unknown",
                    f"{counted['unknown']}, at most {allowed}",
                    counted["unknown"] <= allowed,
                ),
            ]
        return [
            *found,
            Verdict(f"{name}: all are done", f"{counted['done']:,}", counted["done"] == items),
            Verdict(
                f"{name}: only those in flight are repeated",
                f"{twice} begun twice, at most {allowed}",
                twice <= allowed,
                timed=True,
            ),
        ]
