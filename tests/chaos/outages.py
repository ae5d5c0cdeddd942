"""P4, P5: the broker is away, the database is away, under load; and what of it a person notices."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg

from tests.chaos.installation import AWAY, House
from tests.chaos.sink import sink
from tests.chaos.verdicts import Verdict, at_most
from tests.stories.site_client import Answer, Site, until

ANSWERED_SECONDS = 2.0
BROKER_SECONDS = 15.0
PAGE_SECONDS = 2.0
WELL_SECONDS = 10.0
PASSWORD = "another one"
SORRY = "The database does not answer. Nothing is lost; try again in a moment."


def broker_away(house: House, chance: random.Random, how: str = "killed") -> list[Verdict]:
    """P4: 20 submissions while Redis is `killed`, `frozen`, `full` or `locked` by another password."""
    site, key = Site(house.app.url), f"broker-{chance.random()}"

    def submit(number: int) -> tuple[Answer, float]:
        began = time.monotonic()
        return site.try_submit("nap", {"naps": 1}, Idempotency_Key=f"{key}-{number}"), time.monotonic() - began

    with _without_redis(house, how) as back, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(submit, range(20)))
    slowest = max(seconds for _, seconds in answers)
    taken = [answer.json["id"] for answer, _ in answers if answer.status == 202]
    ended = house.site.all_ended(taken)
    well = time.monotonic() - back[0]
    done = sum(job["state"] == "succeeded" for job in ended)
    return [
        Verdict(f"P4 taken while Redis is {how}", f"{len(taken)} of 20, {done} succeeded", len(taken) == done == 20),
        at_most(f"P4 answered while Redis is {how}", slowest, ANSWERED_SECONDS, "slowest"),
        at_most(f"P4 runs when Redis is back ({how})", well, BROKER_SECONDS, "all 20 done after"),
    ]


@contextmanager
def _without_redis(house: House, how: str) -> Iterator[list[float]]:
    """Gives a list that has, after the block, the moment in which Redis was its old self again."""
    back: list[float] = []
    process = house.redis.process
    assert process is not None
    with house.broker() as broker:
        if how == "killed":
            house.kill_redis(wipe=False)
        elif how == "frozen":
            process.send_signal(signal.SIGSTOP)
        elif how == "full":
            broker.config_set("maxmemory", "100kb")
        else:  # locked: as if it had been started with another password
            broker.config_set("requirepass", PASSWORD)
            broker.execute_command("AUTH", PASSWORD)
            broker.client_kill_filter(_type="normal", skipme=True)
        try:
            yield back
        finally:
            if how == "killed":
                house.start_redis()
            elif how == "frozen":
                process.send_signal(signal.SIGCONT)
            else:
                broker.config_set(*(("maxmemory", "0") if how == "full" else ("requirepass", "")))
            back.append(time.monotonic())


def database_away(house: House, chance: random.Random, seconds: float = 6.0, jobs: int = 30) -> list[Verdict]:
    """P5: an immediate stop of Postgres under load. Nothing of ours may need a restart."""
    with sink() as (url, witness):
        each = [{"naps": 40, "seconds": 0.05, "witness": url} for _ in range(jobs)]
        ids = house.site.submit_all(f"away-{chance.random()}", each, "nap")
        until(lambda: sum(map(len, witness.calls.values())) >= 10, "some naps")
        before = {each.pid for each in house.app.processes() if each.role not in ("horse", "other")}
        house.stop_postgres()
        gone = time.monotonic()
        pages = [f"/jobs/{ids[0]}", "/jobs", "/api/v1/jobs", f"/api/v1/jobs/{ids[0]}", "/kinds/nap"]
        answers = _ask(Site(house.app.url), pages, gone + seconds)
        back = house.start_postgres()
        until(lambda: any(call.at > back for calls in list(witness.calls.values()) for call in list(calls)), "a nap")
        working = (
            min(call.at for calls in list(witness.calls.values()) for call in list(calls) if call.at > back) - back
        )
        house.site.get("/readyz")
        serving = time.monotonic() - back
        ended = house.site.all_ended(ids, 60 + jobs * 4)
        after = {each.pid for each in house.app.processes()}
        overlaps = sum(witness.overlaps(job) for job in ids)
    done = sum(job["state"] == "succeeded" for job in ended)
    said = [answer.status for answer, _ in answers if answer.status == 503 and SORRY in answer.text]
    wrong = sorted({answer.status for answer, _ in answers} - {200, 503})
    slowest = max(took for _, took in answers)
    return [
        Verdict(
            "P5 says so in words",
            f"{len(said)} of {len(answers)} answers 503; others {wrong}",
            len(said) > 3 and not wrong,
        ),
        at_most("P5 answered while Postgres is away", slowest, PAGE_SECONDS, "slowest"),
        at_most("P5 all well again", max(working, serving), WELL_SECONDS, "a job went on and pages came after"),
        Verdict("P5 no restart", f"{len(before - after)} of {len(before)} processes are others", before <= after),
        Verdict("P5 no job is lost", f"{done} of {jobs} succeeded, {overlaps} overlaps", done == jobs and not overlaps),
    ]


def database_crowded(house: House, chance: random.Random, seconds: float = 6.0, jobs: int = 5) -> list[Verdict]:
    """Strangers take every connection that Postgres has. What runs meanwhile may be interrupted, and goes on."""
    ids = house.site.submit_all(f"crowded-{chance.random()}", [{"naps": 40, "seconds": 0.05}] * jobs, "nap")
    until(lambda: house.site.job(ids[0])["state"] == "running", "a running job")
    before = {each.pid for each in house.app.processes() if each.role not in ("horse", "other")}
    with ExitStack() as strangers:
        taken = 0
        with suppress(psycopg.OperationalError):
            while True:
                strangers.enter_context(closing(psycopg.connect(house.postgres.url, connect_timeout=3)))
                taken += 1
        answers = _ask(Site(house.app.url), ["/jobs", f"/api/v1/jobs/{ids[0]}"], time.monotonic() + seconds)
    ended = house.site.all_ended(ids)
    done = sum(job["state"] == "succeeded" for job in ended)
    after = {each.pid for each in house.app.processes()}
    found = {status: sum(answer.status == status for answer, _ in answers) for status in (200, 503)}
    return [
        Verdict(
            "Every connection taken: pages", f"{taken} taken; answered {found}", sum(found.values()) == len(answers)
        ),
        Verdict("Every connection taken: jobs", f"{done} of {jobs} succeeded", done == jobs),
        Verdict("Every connection taken: no restart", f"{len(before - after)} processes are others", before <= after),
    ]


def _ask(site: Site, pages: list[str], until_moment: float) -> list[tuple[Answer, float]]:
    """Every page again and again until that moment: the answers, with the seconds that each took."""
    answers: list[tuple[Answer, float]] = []
    lock = threading.Lock()

    def ask(page: str) -> None:
        while time.monotonic() < until_moment:
            began = time.monotonic()
            try:
                answer = site.send("GET", page)
            except AWAY:
                answer = Answer(0, {}, b"")  # type: ignore[arg-type]  # no answer at all
            with lock:
                answers.append((answer, time.monotonic() - began))
            time.sleep(0.2)

    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(ask, pages))
    return answers
