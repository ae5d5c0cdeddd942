"""What the web calls, and what it reads back."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db import redis as db_redis
from jobs.engine.db.models import Job
from jobs.engine.embedded.redis import Redis
from jobs.engine.errors import BadInput, BrokerUnavailable, Conflict, InvalidParams, NotFound, TooLarge
from jobs.engine.files import lookup, uploads
from jobs.engine.queue import commands, delivery, item_stats, ledger, lists, queries, worker_registry
from jobs.engine.queue import waiting as engine_waiting
from jobs.engine.queue.ledger import Batch, Outcome
from jobs.engine.worker import clock
from tests.engine.workers import messages, until


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")


def nap(owner: str = "local", **options: object) -> Job:
    return commands.submit("nap", {"naps": 3}, owner=owner, **options)  # type: ignore[arg-type]


def end(job: Job, state: str = "succeeded", outcomes: int = 0) -> Job:
    with postgres.session() as session:
        connection = session.connection()
        claim = ledger.claim(connection, job.id, "w")
        assert claim is not None
        made = [Outcome(str(n), n, "done", {"n": n}, {"twice": 2 * n}) for n in range(1, outcomes + 1)]
        ledger.record(connection, job.id, claim.lease, Batch(made, progress={"total": outcomes}))
        ledger.settle(connection, job.id, claim.lease, state)
    delivery.withdraw(job)  # as if a worker had taken it
    return queries.job(job.id, job.owner)


def count() -> int:
    with postgres.session() as session:
        return session.scalar(text("select count(*) from jobs")) or 0


class TestSubmit:
    def test_the_row_is_there_and_its_message_too(self) -> None:
        job = nap()
        assert (job.state, job.queue, job.kind) == ("queued", "cpu", "nap")
        assert messages("cpu") == {str(job.id)}
        assert queries.job(job.id, "local").delivered_at is not None

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({"naps": -1}, "naps"),
            ({"naps": "3"}, "naps"),
            ({"naps": True}, "naps"),
            ({"seconds": float("nan")}, "seconds"),
            ({"naps": 2**70}, "naps"),
            ({"owner": "me"}, "owner"),
            ({"witness": "a\x00b"}, "witness"),
            ({"witness": "\ud800"}, "witness"),
            ({"job": "no such"}, "job"),
        ],
    )
    def test_params_that_do_not_fit_create_nothing(self, params: dict[str, object], field: str) -> None:
        with pytest.raises(InvalidParams) as caught:
            commands.submit("nap", params, owner="local")
        assert [error.field for error in caught.value.errors] == [field]
        assert all(error.message.endswith(".") for error in caught.value.errors)
        assert count() == 0

    def test_the_file_of_another_is_no_file_also_where_the_kind_does_not_look(self) -> None:
        theirs = uploads.upload(io.BytesIO(b"a\n1\n"), "a.csv", owner="somebody else").id
        for ref in (str(theirs), "00000000-0000-7000-8000-000000000000", "sample:../secret"):
            with pytest.raises(InvalidParams) as caught:
                commands.submit("read_rows", {"source": ref}, owner="local")
            assert [error.field for error in caught.value.errors] == ["source"]
        assert count() == 0
        assert commands.submit("read_rows", {"source": str(theirs)}, owner="somebody else").state == "queued"

    @pytest.mark.parametrize("name", ["os.system", "../nap", "engine", "__main__", "", "no_such"])
    def test_an_unknown_kind_is_not_found(self, name: str) -> None:
        with pytest.raises(NotFound):
            commands.submit(name, {}, owner="local")

    def test_the_broker_is_named_only_if_it_was_asked(self, environment: Callable[..., None]) -> None:
        job = nap()
        with postgres.session() as session:
            worker_registry.report(session, "p", "h", ["cpu"], "1", [worker_registry.Seen("w", 1)])
            session.execute(text("update jobs set delivered_at = null, created_at = now() - interval '1 min'"))
        job = queries.job(job.id, "local")
        waiting = engine_waiting.why_waiting(job)
        assert waiting is not None
        assert (waiting.code, "broker" in waiting.sentence) == ("undelivered", False)
        environment(REDIS_URL="redis://127.0.0.1:1", EXTRA_KINDS="tests.sample_kinds")
        waiting = engine_waiting.why_waiting(job)
        assert waiting is not None
        assert waiting.sentence.startswith("The broker does not answer.")

    @pytest.mark.parametrize("sample", [0, -1, 1_001])
    def test_a_sample_has_limits(self, sample: int) -> None:
        with pytest.raises(InvalidParams):
            nap(sample=sample)

    def test_a_job_for_later_is_not_delivered_yet(self) -> None:
        job = nap(run_at=datetime.now(UTC) + timedelta(hours=1))
        assert messages("cpu") == set()
        waiting = engine_waiting.why_waiting(job)
        assert waiting is not None
        assert waiting.code == "scheduled"

    def test_one_key_is_one_job_however_often_it_is_sent(self) -> None:
        with ThreadPoolExecutor(20) as pool:
            jobs = list(pool.map(lambda _: nap(idempotency_key="k"), range(50)))
        assert len({job.id for job in jobs}) == 1
        assert count() == 1

    def test_one_key_with_another_body_is_a_conflict(self) -> None:
        nap(idempotency_key="k")
        with pytest.raises(Conflict, match="another job"):
            commands.submit("nap", {"naps": 4}, owner="local", idempotency_key="k")

    def test_another_owners_key_is_another_job(self) -> None:
        assert nap(idempotency_key="k").id != nap(owner="other", idempotency_key="k").id


class TestBroker:
    def test_one_that_drops_keys_is_named(self) -> None:
        assert delivery.broker_problem() is None
        db_redis.broker().config_set("maxmemory", "1gb")
        db_redis.broker().config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "noeviction" in (delivery.broker_problem() or "")
        finally:
            db_redis.broker().config_set("maxmemory-policy", "noeviction")
            db_redis.broker().config_set("maxmemory", "0")

    @pytest.mark.parametrize("key", ["celery", "rq:queue:default"])
    def test_one_that_others_use_too_is_named(self, key: str) -> None:
        nap()
        db_redis.broker().rpush(key, "x")
        if key.startswith("rq:"):
            db_redis.broker().sadd("rq:queues", key)
        assert f"it holds '{key}'" in (delivery.broker_problem() or "")

    def test_a_submission_does_not_need_it(self, redis: Redis) -> None:
        assert redis.process is not None
        os.kill(redis.process.pid, signal.SIGSTOP)
        try:
            job = nap()
        finally:
            os.kill(redis.process.pid, signal.SIGCONT)
        assert queries.job(job.id, "local").delivered_at is None
        clock.Clock().tick()
        assert str(job.id) in messages("cpu")


class TestOwnership:
    def test_what_is_not_yours_is_not_found(self) -> None:
        job = nap(owner="other")
        file = uploads.upload(io.BytesIO(b"a,b\n1,2\n"), "t.csv", owner="other")
        for read in (queries.job, lookup.file):
            with pytest.raises(NotFound):
                read(job.id if read is queries.job else file.id, "local")
        for act in (commands.cancel, commands.retry, commands.delete):
            with pytest.raises(NotFound):
                act(job.id, owner="local")
        assert lists.list_jobs("local").rows == []
        assert lookup.list_uploads("local") == []

    @pytest.mark.parametrize(
        "wrong", ["", "1", "x" * 36, "../../etc/passwd", "00000000-0000-7000-8000-000000000000", "{" + "0" * 34 + "}"]
    )
    def test_an_id_that_is_none_is_not_found(self, wrong: str) -> None:
        with pytest.raises(NotFound):
            queries.job(wrong, "local")


class TestEnding:
    def test_a_waiting_job_is_stopped_at_once_and_its_message_withdrawn(self) -> None:
        job = commands.cancel(nap().id, owner="local")
        assert job.state == "cancelled"
        assert messages("cpu") == set()
        assert commands.cancel(job.id, owner="local").state == "cancelled"

    def test_only_what_has_ended_is_retried_or_deleted(self) -> None:
        job = nap()
        for act in (commands.retry, commands.delete):
            with pytest.raises(Conflict, match="not ended"):
                act(job.id, owner="local")

    def test_a_retry_goes_to_the_front(self) -> None:
        job = end(nap())
        others = [nap() for _ in range(3)]
        commands.retry(job.id, owner="local")
        ids = db_redis.broker().lrange("rq:queue:cpu", 0, -1)
        assert [entry.decode() for entry in ids] == [str(each.id) for each in (job, *others)]

    def test_deleting_takes_the_files_along(self) -> None:
        job = end(nap(), outcomes=2)
        commands.delete(job.id, owner="local")
        with pytest.raises(NotFound):
            queries.job(job.id, "local")


class TestUpload:
    def test_a_table_is_looked_at_once(self) -> None:
        file = uploads.upload(io.BytesIO("näme;n\nå;1\nb;2\n".encode()), "C:\\x\\..\\tablé.csv", owner="local")
        assert file.name == "tablé.csv"
        assert file.table is not None
        assert (file.table["delimiter"], file.table["columns"], file.table["rows"]) == (";", ["näme", "n"], 2)

    def test_an_empty_file_is_refused(self) -> None:
        with pytest.raises(BadInput, match="empty"):
            uploads.upload(io.BytesIO(b""), "t.csv", owner="local")

    def test_a_file_over_the_limit_is_refused(self, environment: Callable[..., None]) -> None:
        environment(MAX_UPLOAD_MB="1")
        with pytest.raises(TooLarge):
            uploads.upload(io.BytesIO(b"x" * 1_000_001), "t.csv", owner="local")


class TestLists:
    def test_pages_of_jobs_join_without_gap_or_repeat(self) -> None:
        made = [nap().id for _ in range(7)][::-1]
        found, after = [], None
        while True:
            page = lists.list_jobs("local", after=after, limit=3)
            found += [job.id for job in page.rows]
            if page.next is None:
                break
            after = page.next
        assert found == made
        back = lists.list_jobs("local", before=page.previous, limit=3)
        assert [job.id for job in back.rows] == made[3:6]

    def test_filters_and_counts_agree(self) -> None:
        end(nap())
        nap()
        nap(run_at=datetime.now(UTC) + timedelta(hours=1))
        counts = lists.job_counts("local")
        assert {state: times for state, times in counts.items() if times} == {
            "succeeded": 1,
            "waiting": 1,
            "scheduled": 1,
        }
        for state, times in counts.items():
            assert len(lists.list_jobs("local", states=(state,)).rows) == times
        assert lists.list_jobs("local", q="100%").rows == []
        assert len(lists.list_jobs("local", kind="nap", q="NAP").rows) == 3

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_pages_of_items_join_without_gap_or_repeat(self, newest_first: bool) -> None:
        job = end(nap(), outcomes=10)
        found, after = [], None
        while True:
            page = queries.items(job, after=after, limit=4, newest_first=newest_first)
            found += [item.position for item in page.rows]
            if page.next is None:
                break
            after = page.next
        assert found == sorted(range(1, 11), reverse=newest_first)
        back = queries.items(job, before=page.previous, limit=4, newest_first=newest_first)
        assert [item.position for item in back.rows] == found[4:8]

    def test_the_result_table_is_input_and_output(self) -> None:
        job = end(nap(), outcomes=2)
        assert queries.item_columns(job) == ["n", "twice"]
        assert list(queries.item_rows(job)) == [
            {"n": 1, "twice": 2, "_state": "done", "_error": None},
            {"n": 2, "twice": 4, "_state": "done", "_error": None},
        ]

    def test_items_in_classes(self) -> None:
        job = end(nap(), outcomes=3)
        assert item_stats.distribution(job.id) == []
        with postgres.session() as session:
            session.execute(
                text(
                    "update items set tokens = 10 * position, output = json_build_object('t', repeat('x', (30 * position)::int))"
                )
            )
        assert item_stats.distribution(job.id) == [
            ("10", 1),
            ("12", 0),
            ("14", 0),
            ("16", 0),
            ("18", 0),
            ("20", 1),
            ("22", 0),
            ("24", 0),
            ("26", 0),
            ("28", 0),
            ("30", 1),
        ]
        assert item_stats.distribution(job.id, "t")[::6] == [("30", 1), ("60", 1), ("90", 1)]
        assert item_stats.distribution(job.id, "none") == []


class TestWaiting:
    def test_it_says_why(self) -> None:
        first, second = nap(), nap()
        waiting = engine_waiting.why_waiting(second)
        assert waiting is not None
        assert (waiting.code, waiting.position) == ("no_worker", 1)
        with postgres.session() as session:
            session.execute(text("insert into workers (name, host, pid, queues) values ('w', 'h', 1, '{cpu}')"))
        waiting = engine_waiting.why_waiting(second)
        assert waiting is not None
        assert (waiting.code, waiting.sentence) == ("queue", "1 job before this one.")
        assert engine_waiting.why_waiting(end(first)) is None


class TestClock:
    def test_what_the_broker_lost_is_delivered_again(self) -> None:
        jobs = [nap() for _ in range(5)]
        db_redis.broker().flushall()
        _age("delivered_at", 10)
        ticking = clock.Clock()
        ticking.tick()
        assert messages("cpu") == set()  # the first look only remembers
        ticking.tick()
        assert messages("cpu") == {str(job.id) for job in jobs}
        ticking.tick()
        assert delivery.waiting_count("cpu") == 5

    def test_a_process_that_dies_before_it_delivers_costs_a_delay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(_: object) -> None:
            raise SystemExit

        monkeypatch.setattr(delivery, "deliver", die)
        with pytest.raises(SystemExit):
            nap()
        monkeypatch.undo()
        (job,) = lists.list_jobs("local").rows
        assert messages("cpu") == set()
        _age("delivered_at", 10)
        ticking = clock.Clock()
        until(lambda: ticking.tick() or messages("cpu") == {str(job.id)})

    def test_a_job_that_cannot_be_delivered_is_known_to_be_undelivered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: object) -> None:
            raise BrokerUnavailable("The broker does not answer.")

        monkeypatch.setattr(delivery, "deliver", refuse)
        job = nap()
        monkeypatch.undo()
        assert queries.job(job.id, "local").delivered_at is None
        clock.deliver_due()
        assert messages("cpu") == {str(job.id)}
        assert queries.job(job.id, "local").delivered_at is not None

    def test_however_many_were_lost_are_delivered_again_the_oldest_first(self) -> None:
        first = nap()
        with postgres.session() as session:
            session.execute(
                text("""
                    insert into jobs (id, kind, owner, queue, params, time_limit, delivered_at)
                    select gen_random_uuid(), kind, owner, queue, params, time_limit, now() from jobs,
                        generate_series(1, 3000) where id = :id
                """),
                {"id": first.id},
            )
            ids = {str(row.id) for row in session.execute(text("select id from jobs"))}
        db_redis.broker().flushall()
        _age("delivered_at", 10)
        ticking = clock.Clock()
        until(lambda: ticking.tick() or messages("cpu") == ids)  # a busy machine counts less often
        assert delivery.waiting_count("cpu") == len(ids)
        assert db_redis.broker().lindex("rq:queue:cpu", 0) == str(min(ids)).encode()

    def test_one_lost_in_a_long_queue_is_found_at_its_front(self) -> None:
        jobs = [nap() for _ in range(150)]
        ticking = clock.Clock()
        ticking.tick()  # looks through all of it, and not again for ten seconds
        _age("delivered_at", 10)
        key = delivery.queue("cpu").key
        for job in jobs[:2]:  # taken by workers that died before they claimed
            assert db_redis.broker().lrem(key, 1, str(job.id)) == 1
        until(lambda: ticking.tick() or messages("cpu") == {str(job.id) for job in jobs})
        assert delivery.waiting_count("cpu") == 150

    def test_what_was_never_delivered_is(self, redis: Redis) -> None:
        job = nap(run_at=datetime.now(UTC) + timedelta(seconds=30))
        clock.Clock().tick()
        assert messages("cpu") == set()
        _age("run_at", 60)
        clock.Clock().tick()
        assert messages("cpu") == {str(job.id)}

    def test_silent_workers_jobs_come_back_at_the_front(self) -> None:
        job, other = nap(), nap()
        with postgres.session() as session:
            ledger.claim(session.connection(), job.id, "w")
        delivery.withdraw(job)
        _age("lease_until", 60)
        clock.Clock().tick()
        ids = [entry.decode() for entry in db_redis.broker().lrange("rq:queue:cpu", 0, -1)]
        assert ids == [str(job.id), str(other.id)]


def _age(column: str, seconds: int) -> None:
    with postgres.session() as session:
        session.execute(text(f"update jobs set {column} = {column} - interval '{seconds} s'"))


def test_chosen_rows_alone_are_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = end(nap(), "partial", outcomes=3)
    with pytest.raises(Conflict):
        commands.retry_rows(job.id, [4], owner="local")
    with pytest.raises(NotFound):
        commands.retry_rows(job.id, [1], owner="other")
    monkeypatch.setattr(commands, "_at_most_once", lambda name: True)
    with pytest.raises(Conflict, match="happen twice"):
        commands.retry_rows(job.id, [1], owner="local")
    monkeypatch.undo()
    again = commands.retry_rows(job.id, [1, 3, 3, 9], owner="local")
    assert (again.state, again.done, again.total) == ("queued", 1, 3)
    assert [item.position for item in queries.items(again).rows] == [2]
    with pytest.raises(Conflict, match="not ended"):
        commands.retry_rows(job.id, [2], owner="local")
