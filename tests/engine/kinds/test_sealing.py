"""A secret param is in clear in the process that runs its job, and nowhere else; it is gone when the job is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import Schedule
from jobs.engine.errors import Conflict, InvalidParams
from jobs.engine.kinds import sealing
from jobs.engine.masking import MASK
from jobs.engine.queue import commands, ledger, queries, schedules
from jobs.engine.queue.schedules import SchedulePlan
from tests.kinds.job_runs import OWNER, done, errors, run

SECRET = "Xyzzy-plugh-0815"


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> Callable[..., None]:
    environment(EXTRA_KINDS="tests.sample_kinds")
    return environment


def everything() -> str:
    """All that Postgres and Redis hold."""
    with postgres.session() as session:
        tables = session.scalars(text("select tablename from pg_tables where schemaname = 'public'")).all()
        rows = [str(row) for table in tables for row in session.execute(text(f'select * from "{table}"')).all()]
    broker = redis.broker()
    hashes = [broker.hgetall(key) for key in broker.scan_iter() if broker.type(key) == b"hash"]
    return "\n".join([*rows, *map(str, hashes)])


def sealed_of(job: Any) -> Any:
    with postgres.session() as session:
        return session.execute(text("select sealed from jobs where id = :id"), {"id": job.id}).scalar_one()


def scheduled(**params: Any) -> Schedule:
    return commands.create_schedule(SchedulePlan("whisper", params, "0 6 * * *", "UTC"), owner=OWNER)


def test_it_reaches_the_kind_and_is_stored_encrypted() -> None:
    waiting = commands.submit("whisper", {"secret": SECRET}, owner=OWNER, idempotency_key="a")
    assert waiting.params["secret"] == MASK
    assert SECRET not in everything()
    assert sealed_of(waiting)["secret"].partition(":")[2].startswith("gAAAA")
    ended = run(waiting)
    assert (ended.state, ended.result) == ("succeeded", {"length": len(SECRET), "said": MASK})
    assert sealed_of(ended) is None
    assert SECRET not in everything()


def test_the_same_key_and_secret_are_the_same_job() -> None:
    first = commands.submit("whisper", {"secret": SECRET}, owner=OWNER, idempotency_key="a")
    assert commands.submit("whisper", {"secret": SECRET}, owner=OWNER, idempotency_key="a").id == first.id
    with pytest.raises(Conflict):
        commands.submit("whisper", {"secret": SECRET[1:]}, owner=OWNER, idempotency_key="a")


def test_an_attempt_that_is_repeated_has_it_still() -> None:
    job = run(commands.submit("whisper", {"secret": SECRET, "wrong": "transient"}, owner=OWNER))
    assert (job.state, set(sealed_of(job))) == ("queued", {"secret"})
    assert SECRET not in everything()


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "stopped", "stopping", "lost", "released"])
def test_every_end_deletes_it(how: str) -> None:
    job = commands.submit("whisper", {"secret": SECRET, "wrong": "bad" if how == "failed" else ""}, owner=OWNER)
    if how in ("succeeded", "failed"):
        run(job)
    elif how == "cancelled":
        commands.cancel(job.id, owner=OWNER)
    else:
        _end_claimed(job, how)
    assert queries.job(job.id, OWNER).ended
    assert sealed_of(job) is None


def _end_claimed(job: Any, how: str) -> None:
    with postgres.session() as session:
        connection = session.connection()
        for _ in range(3):
            claim = ledger.claim(connection, job.id, "a worker")
            assert claim is not None and claim.sealed
            if how != "lost":
                break
            ledger.give_up(connection, job.id, claim.lease)
        if how in ("stopping", "released"):
            ledger.ask_stop(connection, job.id)
        if how == "released":
            ledger.release(connection, job.id, claim.lease)
        elif how != "lost":
            ledger.settle(connection, job.id, claim.lease, "succeeded")


def test_a_retry_needs_it_again() -> None:
    job = done("whisper", secret=SECRET, wrong="bad")
    with pytest.raises(Conflict, match="Use its form again and enter the secret"):
        commands.retry(job.id, owner=OWNER)
    assert "Enter it again" in errors("whisper", **job.params)["secret"]
    without = done("whisper", wrong="bad")
    assert commands.retry(without.id, owner=OWNER).state == "queued"


def test_another_key_fails_the_job_and_says_what_to_do(specimens: Callable[..., None]) -> None:
    job = commands.submit("whisper", {"secret": SECRET}, owner=OWNER)
    specimens(SECRET_KEY="another key, which is just as long as the first")
    ended = run(job)
    assert (ended.state, ended.reason) == ("failed", "secret_unreadable")
    assert "another SECRET_KEY" in str(ended.message) and "rotate-secrets" in str(ended.message)


def test_without_a_key_it_is_not_run(specimens: Callable[..., None]) -> None:
    job = commands.submit("whisper", {"secret": SECRET}, owner=OWNER)
    specimens(SECRET_KEY=None)
    assert run(job).reason == "secret_unreadable"


def test_a_secret_that_is_only_a_mask_is_not_used() -> None:
    job = commands.submit("whisper", {"secret": SECRET}, owner=OWNER)
    with postgres.session() as session:
        session.execute(text("update jobs set sealed = null"))
    assert run(job).reason == "secret_unreadable"


def test_a_schedule_keeps_it_encrypted_and_gives_it_to_each_job() -> None:
    schedule = scheduled(secret=SECRET)
    assert schedule.params["secret"] == MASK
    assert SECRET not in everything()
    job = commands.run_schedule(schedule.id, owner=OWNER, key="now")
    assert SECRET not in everything()
    assert run(job).result == {"length": len(SECRET), "said": MASK}
    assert schedules.schedule(schedule.id, OWNER).sealed


def test_a_schedule_of_a_job_needs_it_again() -> None:
    job = done("whisper", secret=SECRET)
    with pytest.raises(InvalidParams):
        scheduled(**job.params)


def test_the_same_secret_is_another_text_each_time() -> None:
    one, other = (sealing.seal({"a": SECRET}, "key")["a"] for _ in range(2))
    assert one != other and one.partition(":")[0] == other.partition(":")[0]
    assert sealing.unseal({"a": one}, "key") == {"a": SECRET}
    with pytest.raises(sealing.SecretUnreadable):
        sealing.unseal({"a": one}, "other key")
    with pytest.raises(sealing.SecretUnreadable):
        sealing.unseal({"a": one[:-4] + "AAA="}, "key")
