"""P1, P2, P3, P11: many jobs under random kills, a broker that forgets, and the gap after each loss. The sink counts."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from tests.chaos.installation import House
from tests.chaos.killer import Fair, Killer
from tests.chaos.sink import Sink, sink
from tests.chaos.verdicts import Verdict, at_most
from tests.stories.site_client import ENDED, until

NAPS = 6
NAP_SECONDS = 0.04
IN_FLIGHT = 2  # one that is under way, and one that has just ended and is being written
GAP_SECONDS = 2.0


def crowd(
    house: House, chance: random.Random, jobs: int = 1_000, every: tuple[float, float] = (0.4, 1.0)
) -> list[Verdict]:
    """P2 and P3 at once. every: seconds between two kills."""
    seconds = 120 + jobs * 0.8
    with sink() as (url, witness):
        ids = _submit(house, chance, jobs, url)
        killer = Killer(house.app, chance, every=every, may=Fair(house.site))
        with killer.at_work():
            for part, blow in enumerate((_flush, _flush, _replace), start=1):
                until(lambda part=part: _over(house) >= jobs * part / 4, "a part of the jobs", seconds)
                blow(house)
            until(lambda: _over(house) >= jobs, "the end of all jobs", seconds, look=0.5)
        ended = [job for job in house.site.jobs() if job["id"] in set(ids)]
        return _verdicts(ids, ended, witness, killer)


def gaps(house: House, chance: random.Random, times: int = 10) -> list[Verdict]:
    """P1: one job whose worker and child are killed again and again."""
    with sink() as (url, witness):
        naps = 25 * times
        job = house.site.submit_keyed(f"gaps-{chance.random()}", "nap", naps=naps, seconds=0.1, witness=url)
        for number in range(1, times + 1):
            until(lambda number=number: len(witness.calls[job]) >= 20 * number, "some naps")
            _kill_both(house)
        ended = house.site.ended(job, 60 + naps)
        worst = max(witness.gaps(job), default=float("inf"))
        repeated = witness.repeats(job)
        return [
            at_most("P1 runs again", worst, GAP_SECONDS, f"{len(witness.gaps(job))} losses, worst gap"),
            Verdict("P1 goes on after its last item", f"most done again {repeated}", repeated <= IN_FLIGHT, timed=True),
            _is("P1 succeeds", ended, "succeeded", naps),
        ]


def poison(house: House, chance: random.Random, others: int = 20) -> list[Verdict]:
    """P11: a job whose process dies at once, each time, among others."""
    key = f"poison-{chance.random()}"
    ill = house.site.submit_keyed(key, "nap", naps=1, job="crash")
    began = time.monotonic()
    ids = house.site.submit_all(key, [{"naps": 1}] * others, "nap")
    well = sum(job["state"] == "succeeded" for job in house.site.all_ended(ids))
    late = time.monotonic() - began
    failed = house.site.ended(ill)
    found = failed["state"], failed["reason"], failed["attempt"]
    return [
        Verdict("P11 a job that kills its worker fails", f"{found}", found == ("failed", "worker_lost", 3)),
        Verdict("P11 the others succeed", f"{well} of {others}", well == others),
        at_most("P11 the others are not held up", late, 30.0, "all of them done after"),
    ]


def _submit(house: House, chance: random.Random, jobs: int, url: str) -> list[str]:
    each = [{"naps": NAPS, "seconds": NAP_SECONDS, "witness": url} for _ in range(jobs)]
    return house.site.submit_all(f"crowd-{chance.random()}", each, "nap")


def _over(house: House) -> int:
    jobs: dict[str, int] = Counter(job["state"] for job in house.site.jobs())
    return sum(jobs[state] for state in ENDED)


def _flush(house: House) -> None:
    with house.broker() as broker:
        broker.flushall()


def _replace(house: House) -> None:
    house.kill_redis(wipe=True)
    house.start_redis()


def _kill_both(house: House) -> None:
    found = [(each.parent, each.pid) for each in house.app.processes("horse")]
    assert found
    for pair in found:
        for pid in pair:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _verdicts(ids: list[str], ended: list[dict[str, Any]], witness: Sink, killer: Killer) -> list[Verdict]:
    states = Counter(
        job["state"] if job["state"] == "succeeded" else f"{job['state']}: {job['message']}" for job in ended
    )
    counted = sum(job["progress"]["done"] == NAPS for job in ended)
    seen = sum({call.number for call in witness.calls[job]} == set(range(1, NAPS + 1)) for job in ids)
    overlaps = sum(witness.overlaps(job) for job in ids)
    repeats = max(witness.repeats(job) for job in ids)
    twice = sum(witness.twice(job) for job in ids)
    found = [gap for job in ids for gap in witness.gaps(job)]
    kills = f"{killer.total} kills ({', '.join(f'{count} {name}' for name, count in sorted(killer.kills.items()))})"
    middle = statistics.median(found) if found else 0.0
    return [
        Verdict(
            "P2, P3 no job is lost",
            f"{_words(states)} of {len(ids)}, {seen} seen whole at the sink; {kills}, 2 FLUSHALL, "
            "1 Redis replaced by an empty one",
            states["succeeded"] == counted == seen == len(ids) == len(ended),
        ),
        Verdict("P2 no job by two workers at once", f"{overlaps} overlaps", overlaps == 0),
        Verdict(
            "P2 no finished item again",
            f"{twice} begun twice in all, most at one loss {repeats} (at most {IN_FLIGHT}: in flight)",
            repeats <= IN_FLIGHT,
            timed=True,  # more of them are being written where the disk is slow
        ),
        at_most(
            "P1 runs again, in the crowd",
            max(found, default=0.0),
            GAP_SECONDS,
            f"{len(found)} losses in the middle, median gap {middle:.1f} s, worst",
        ),
    ]


def _words(states: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.most_common())


def _is(promise: str, job: dict[str, Any], state: str, done: int) -> Verdict:
    found = job["state"], job["progress"]["done"]
    return Verdict(promise, f"{found[0]}, {found[1]} done of {done}", found == (state, done))
