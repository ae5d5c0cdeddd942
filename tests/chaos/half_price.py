"""Rows that a provider answers within a day, while everything here is killed. The provider counts what it is paid for."""

from __future__ import annotations

import random
import time
from collections import Counter

from tests.chaos.installation import House
from tests.chaos.killer import Fair, Killer
from tests.chaos.verdicts import Verdict, at_most
from tests.fake_provider import FakeProvider
from tests.stories.app_process import end
from tests.stories.site_client import until

JOBS = 8
IN_FLIGHT = 16  # rows at a time of a job
VICTIMS = {"child": 6, "worker": 6, "both": 6, "clock": 2, "web": 1}
EXPIRE, GARBLE = 0.02, 0.01  # shares of the rows that the provider does not come to, or answers with something else
STOP_SECONDS = 10.0


def settings(provider: FakeProvider) -> dict[str, str]:
    return {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk", "OPENAI_MODEL": "fake-small"} | {
        "PROVIDER_BATCHES": "1"
    }


def half_price(house: House, provider: FakeProvider, chance: random.Random, rows: int = 10_000) -> list[Verdict]:
    """The house's provider is that one. All jobs are sent, wait, and are read; between that, all of the house is new."""
    provider.script(hold_batches=True)
    tag = chance.randrange(10**9)
    prompts = [_row(tag, number, chance) for number in range(rows)]
    jobs = [_submitted(house, prompts[start::JOBS], f"{tag}-{start}") for start in range(JOBS)]
    killers = [Killer(house.app, chance, VICTIMS, every=(0.3, 0.8), may=Fair(house.site))]
    with killers[0].at_work():
        _flush(house)
        until(lambda: all(_waits(house, job) for job in jobs), "all are with the provider", 600, look=0.5)
    stop = _stopped(house, provider, tag)
    _restart(house)
    killers.append(Killer(house.app, chance, VICTIMS, every=(0.5, 1.5), may=Fair(house.site)))
    with killers[1].at_work():
        provider.script()
        _flush(house)
        ended = [house.site.ended(job, 900) for job in jobs]
    done = sum(one["progress"]["done"] for one in ended)
    paid = Counter({prompt: count for prompt, count in provider.answered().items() if f"{tag} " in prompt})
    at_once = [prompt for prompt in prompts if "expire" in prompt or "garble" in prompt]
    twice = {prompt for prompt, count in paid.items() if count > 1}
    kills = sum(killer.total for killer in killers)
    return [
        Verdict(
            "All rows of provider's batches are done",
            f"{done:,} of {rows:,} after {kills} kills, 2 FLUSHALL and a restart of everything",
            done == rows == len(paid),
        ),
        Verdict(
            "A batch is paid for once",
            f"{len(twice - set(at_once))} of {rows - len(at_once):,} rows twice",
            not twice - set(at_once),
        ),
        Verdict(
            "What is asked again is asked once, but for those in flight at a kill",
            f"{len(twice)} of {len(at_once):,} rows twice",
            len(twice) <= IN_FLIGHT * killers[1].total,
        ),
        stop,
    ]


def _row(tag: int, number: int, chance: random.Random) -> str:
    drawn = chance.random()
    what = "expire" if drawn < EXPIRE else "garble" if drawn < EXPIRE + GARBLE else "say"
    return f"{tag} {what} {number}"


def _submitted(house: House, prompts: list[str], key: str) -> str:
    source = house.site.upload(f"{key}.csv", ("n\n" + "\n".join(prompts) + "\n").encode())
    return house.site.submit_keyed(
        key, "generate_texts", source=source, prompt="{n}", when="day", concurrency=IN_FLIGHT
    )


def _waits(house: House, job: str) -> bool:
    found = house.site.job(job)
    return (found["state"], found["reason"]) == ("queued", "provider")


def _flush(house: House) -> None:
    with house.broker() as broker:
        broker.flushall()


def _stopped(house: House, provider: FakeProvider, tag: int) -> Verdict:
    """A job that is stopped while its provider has it."""
    before = len(provider.server.batches.batches)
    job = _submitted(house, [f"stop {tag} {number}" for number in range(100)], f"{tag}-stop")
    until(lambda: _waits(house, job), "one more is with the provider", 120)
    began = time.monotonic()
    house.site.send("POST", f"/api/v1/jobs/{job}/cancel")
    last = list(provider.server.batches.batches.values())[before:]
    until(lambda: all(one["status"] == "cancelled" for one in last), "the end of its batch", 60)
    return at_most("A stop reaches the provider", time.monotonic() - began, STOP_SECONDS, "after")


def _restart(house: House) -> None:
    """The app, Postgres and Redis, one after the other."""
    end(house.app)
    house.kill_redis(wipe=True)
    house.stop_postgres()
    house.start_postgres()
    house.start_redis()
    house.begin()
