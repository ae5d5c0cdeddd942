"""P13: jobs for a later time start then, also while processes are killed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.installation import House
from tests.chaos.killer import Killer
from tests.chaos.verdicts import Verdict, at_most
from tests.stories.site_client import ENDED, until

LATE_SECONDS = 2.0
AHEAD_SECONDS = 6.0
KILLS = {"child": 2, "worker": 2, "both": 2, "clock": 2, "web": 1}


def punctual(
    house: House, chance: random.Random, jobs: int = 100, seconds: float = 60.0, schedules: int = 5
) -> list[Verdict]:
    """Jobs spread over so many seconds, and schedules of each minute; the clock and the workers die one by one."""
    site, begin = house.site, datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
    moments = [begin + timedelta(seconds=chance.uniform(0, seconds)) for _ in range(jobs)]
    key = f"due-{chance.random()}"
    ids = [
        site.submit_keyed(f"{key}-{number}", "stamp", f"?run_at={at.isoformat().replace('+00:00', 'Z')}")
        for number, at in enumerate(moments)
    ]
    plans = [_schedule(house, number) for number in range(schedules)]
    killer = Killer(house.app, chance, KILLS, every=(3.0, 6.0))
    with killer.at_work():
        until(lambda: len(_ended(house, ids)) == jobs, "the end of all jobs", seconds + 90, look=0.5)
        until(lambda: _made(house) >= schedules, "a job of each schedule", 90, look=0.5)
    ended = _ended(house, ids)
    late = [_late(job, job["run_at"]) for job in ended]
    well = sum(job["state"] == "succeeded" for job in ended)
    kills = ", ".join(f"{count} {name}" for name, count in sorted(killer.kills.items()))
    what = f"{jobs} jobs in {seconds:.0f} s; {kills}; latest"
    found = [
        Verdict("P13 due jobs succeed, none too early", f"{well} of {jobs}", well == jobs and min(late) >= 0),
        at_most("P13 due jobs start in time", max(late), LATE_SECONDS, what),
    ]
    if schedules:
        latest = max(_after_minute(job) for job in site.jobs() if job.get("schedule"))
        found.append(
            at_most("P13 repeating jobs start in time", latest, LATE_SECONDS, f"{schedules} schedules; latest")
        )
    for plan in plans:
        site.send("DELETE", f"/api/v1/schedules/{plan}")
    return found


def _schedule(house: House, number: int) -> str:
    body = json.dumps({"kind": "nap", "params": {"naps": number}, "cron": "* * * * *", "zone": "UTC"}).encode()
    answer = house.site.send("POST", "/api/v1/schedules", body, Content_Type="application/json")
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def _ended(house: House, ids: list[str]) -> list[dict[str, Any]]:
    wanted = set(ids)
    return [job for job in house.site.jobs() if job["id"] in wanted and job["state"] in ENDED]


def _made(house: House) -> int:
    return len({job["schedule"] for job in house.site.jobs() if job.get("schedule") and job["started_at"]})


def _late(job: dict[str, Any], due: str) -> float:
    return (datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(due)).total_seconds()


def _after_minute(job: dict[str, Any]) -> float:
    created = datetime.fromisoformat(job["created_at"])
    return _late(job, created.replace(second=0, microsecond=0).isoformat())
