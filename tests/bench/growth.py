"""What a thousand, and then a million, of something cost whoever asks for one page of it; a hundred queued, then 100,000."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text

from jobs.engine.chat import conversations, lists
from jobs.engine.db import postgres
from jobs.engine.db.models import Job, new_id
from jobs.engine.files import lookup
from jobs.engine.library import hybrid_search as library_search
from jobs.engine.library import indexing, list_documents
from jobs.engine.queue import commands, delivery, job_log, ledger, limits, notifications, queries, retention
from jobs.engine.queue import lists as queue_lists
from jobs.engine.queue import waiting as engine_waiting
from jobs.engine.queue.ledger import Batch, Outcome
from jobs.engine.worker.clock import Clock, deliver_due, tidy
from tests.bench.figures import Figure, Target
from tests.bench.installation import OWNER

TIMES = 15
NUMBERS = 64  # of a vector
FLAT = Target("ratio", "<=", 1.2)
Asked = Mapping[str, Callable[[], object]]  # what is asked for, by its name

# An id begins with its milliseconds, as the application's own do; the last part keeps them apart.
_ID = "cast(lpad(to_hex({began} + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0') as uuid)"
_BEGAN = 1_700_000_000_000

JOBS = text(f"""
    insert into jobs (id, kind, owner, queue, state, params, label, created_at, started_at, finished_at, attempt, lease,
        max_attempts, time_limit, done, failed, skipped, unknown, total)
    select {_ID.format(began=_BEGAN)}, 'stamp', :owner, 'cpu',
        (array['succeeded', 'succeeded', 'succeeded', 'failed', 'partial', 'cancelled'])[1 + n % 6], '{{}}', 'Job ' || n,
        now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', 1, 1, 3, 60, 1, 0, 0, 0, 1
    from generate_series(cast(:first as bigint), :last) as n
""")
QUEUED = text(f"""
    insert into jobs (id, kind, owner, queue, state, params, label, created_at, attempt, lease, max_attempts, time_limit,
        done, failed, skipped, unknown, delivered_at)
    select {_ID.format(began=_BEGAN + 10_000_000)}, 'stamp', 'owner ' || n % 20, 'io', 'queued', '{{}}', 'Job ' || n, now(),
        0, 0, 3, 60, 0, 0, 0, 0, now() - interval '1 minute'
    from generate_series(cast(:first as bigint), :last) as n
""")
ITEMS = text("""
    insert into items (job_id, key, position, state, input, output, finished_at)
    select :job, cast(n as text), n, case when n % 100 = 0 then 'failed' else 'done' end,
        json_build_object('text', 'Row ' || n), json_build_object('answer', 'Answer ' || n), now()
    from generate_series(cast(:first as bigint), :last) as n
""")
FILES = text(f"""
    insert into files (id, owner, job_id, lease, name, media_type, blob, bytes, sha256, visible, created_at)
    select {_ID.format(began=_BEGAN)}, :owner, null, null, n || '.csv', 'text/csv', 'aa/' || n, 1, '', true, now()
    from generate_series(cast(:first as bigint), :last) as n
""")
DOCUMENTS = text(f"""
    insert into documents (id, owner, collection, title, sha256)
    select {_ID.format(began=_BEGAN)}, :owner, 'bench', 'Document ' || n, n
    from generate_series(cast(:first as bigint), :last) as n
""")
CHUNKS = text(f"""
    insert into chunks (generation_id, document_id, position, text, embedding)
    select :generation, {_ID.format(began=_BEGAN)}, 1, 'A passage on topic' || n % 997 || ' with thing' || n,
        (select cast(array_agg(random()) as halfvec({NUMBERS})) from generate_series(1, {NUMBERS} + 0 * m.n))
    from generate_series(cast(:first as bigint), :last) as m(n)
""")
TALKS = text(f"""
    insert into conversations (id, owner, title, changed_at)
    select {_ID.format(began=_BEGAN)}, :owner, 'Talk ' || n, now() - interval '1 day' + n * interval '1 ms'
    from generate_series(cast(:first as bigint), :last) as n
""")


def figures(quick: bool) -> list[Figure]:
    """Milliseconds at the size that is large, beside those at the size that is small, as if that were a peer."""
    most = 100_000 if quick else 1_000_000
    found = _grow("jobs", 1_000, most, partial(fill, JOBS), of_jobs)
    items = Items()
    found += _grow("items of a job", 1_000, most, items.fill, items.asked)
    found += _grow("files", 1_000, most, partial(fill, FILES), of_files)
    found += _grow("conversations", 1_000, most, partial(fill, TALKS), of_talks)
    found += _grow("documents", 1_000, most // 10, Documents(), of_documents)
    return found + _grow("queued", 100, most // 10, partial(fill, QUEUED), of_queued)


def _grow(
    what: str, small: int, large: int, fill: Callable[[int, int], object], asked: Callable[[], Asked]
) -> list[Figure]:
    fill(1, small)
    before = _measured(asked())
    fill(small + 1, large)
    after = _measured(asked())
    return [
        Figure(f"{large:,} {what}: {name}", "ms", after[name], {f"{small:,}": before[name]}, FLAT, "lowest")
        for name in after
    ]


def fill(statement: Any, first: int, last: int, **more: Any) -> None:
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        given = {"first": first, "last": last, "owner": OWNER} | more
        named = set(statement.compile().params)
        session.execute(statement, {name: value for name, value in given.items() if name in named})
    with postgres.engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("set statement_timeout = 0"))
        connection.execute(text("vacuum analyze"))  # as the database does by itself, some time after


def _measured(asked: Asked) -> dict[str, list[float]]:
    """The best of TIMES, in turns with the others, as other programs only add to it. The first round fills caches."""
    found: dict[str, list[float]] = {name: [] for name in asked}
    for round_ in range(TIMES + 1):
        for name, ask in asked.items():
            began = time.perf_counter()
            ask()
            if round_:
                found[name].append((time.perf_counter() - began) * 1000)
    return {name: [min(times)] for name, times in found.items()}


def of_jobs() -> Asked:
    page = queue_lists.list_jobs(OWNER)
    one = page.rows[-1]
    clock = Clock()
    return {
        "list": lambda: queue_lists.list_jobs(OWNER),
        "list, the next page": lambda: queue_lists.list_jobs(OWNER, after=page.next),
        "list, those that failed": lambda: queue_lists.list_jobs(OWNER, states=["failed"]),
        "list, of a kind and of today": lambda: queue_lists.list_jobs(OWNER, kind="stamp", since=one.created_at),
        "list, a search that finds nothing": lambda: queue_lists.list_jobs(OWNER, q="no such words"),
        "the counts beside the list": lambda: queue_lists.job_counts(OWNER),
        "a job's page": lambda: _job_page(one.id),
        "submit": lambda: commands.submit("stamp", {}, owner="somebody else"),
        "claim and give back": partial(_claim, commands.submit("stamp", {}, owner="claimed").id),
        "a tick of the clock": clock.tick,
        "tidying": tidy,
        "keeping house": retention.tidy,
    }


def _job_page(job_id: UUID) -> None:
    job = queries.job(job_id, OWNER)
    queries.items(job)
    queries.output_files(job)
    queries.attempts(job)
    job_log.read_log(job)
    notifications.notifications_of(job)


def _claim(job_id: UUID) -> None:
    with postgres.session() as session:
        held = ledger.claim(session.connection(), job_id, "bench")
        assert held is not None
        ledger.release(session.connection(), job_id, held.lease)


class Items:
    """One job that is running: it is filled with items, and then records one more at a time."""

    def __init__(self) -> None:
        with postgres.session() as session:
            self.job = ledger.create(
                session.connection(), Job(kind="stamp", params={}, owner=OWNER, queue="none", time_limit=60)
            )
        with postgres.session() as session:
            self.claim = ledger.claim(session.connection(), self.job.id, "bench")
        self.count = 0

    def fill(self, first: int, last: int) -> None:
        fill(ITEMS, first, last, job=self.job.id)

    def asked(self) -> Asked:
        middle = queries.items(self.job, limit=900).next
        return {
            "the first page": lambda: queries.items(self.job),
            "a page further on": lambda: queries.items(self.job, after=middle),
            "the newest": lambda: queries.items(self.job, newest_first=True),
            "those that failed": lambda: queries.items(self.job, state="failed"),
            "record one more": self._record,
        }

    def _record(self) -> None:
        assert self.claim is not None
        self.count += 1
        more = Batch([Outcome(f"more {self.count}", 10_000_000 + self.count, "done")])
        with postgres.session() as session:
            ledger.record(session.connection(), self.job.id, self.claim.lease, more)


def of_files() -> Asked:
    return {
        "uploads": lambda: lookup.list_uploads(OWNER),
        "what an owner has": lambda: limits.usage(OWNER),
        "tidying": tidy,
    }


def of_talks() -> Asked:
    newest = lists.list_conversations(OWNER).rows[0]
    return {
        "the list": lambda: lists.list_conversations(OWNER),
        "a conversation": lambda: conversations.turns(conversations.conversation(newest.id, OWNER).id, most=20).rows,
        "search in titles and texts": lambda: lists.list_conversations(OWNER, q="Talk 77"),
    }


def of_queued() -> Asked:
    with postgres.session() as session:
        last = session.execute(
            text("select id, owner from jobs where queue = 'io' and state = 'queued' order by id desc limit 1")
        )
        job_id, owner = last.one()
        waiting = session.scalar(text("select count(*) from jobs where queue = 'io' and state = 'queued'"))
    job = queries.job(job_id, owner)
    clock = Clock()
    while delivery.waiting_count("io") < waiting:  # the messages that these jobs never had are put out first
        clock.tick()
        deliver_due()
    return {
        "why a job waits": lambda: engine_waiting.why_waiting(job),
        "what a new one would wait for": lambda: engine_waiting.jobs_ahead("io"),
        "submit": lambda: commands.submit("stamp", {}, owner="somebody else"),
        "claim and give back": partial(_claim, job_id),
        "a tick of the clock": clock.tick,
    }


class Documents:
    """Fills a collection whose index is built anew, as indexing does."""

    def __call__(self, first: int, last: int) -> None:
        fill(DOCUMENTS, first, last)
        number = indexing.begin(OWNER, "bench", "none", 1_000, 0, new_id())
        fill(CHUNKS, 1, last, generation=number)
        indexing.go_live(indexing.unfinished(number), NUMBERS)


def of_documents() -> Asked:
    with postgres.session() as session:
        (stock,) = map(library_search._stock, list_documents.live(OWNER, "bench"))
        near = session.scalar(text("select cast(embedding as text) from chunks order by id limit 1"))

    def search(words: str, vector: str | None) -> None:
        with postgres.session() as session:
            assert library_search._of_one(session, stock, words, vector, 8)

    return {
        "the list": lambda: list_documents.list_documents(OWNER),
        "search for a rare word and a vector": lambda: search("thing77", near),
        "search for a word of one in a thousand": lambda: search("topic77", None),
    }
