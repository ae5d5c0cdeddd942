"""What Postgres does for each question that a page, a claim, the clock or a search asks, with a million rows beside it.

Every plan goes into var/plans.txt. A run at full size writes docs/plans.md from them: a statement stands there once, under
the first question that sends it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jobs.engine.db import postgres
from jobs.engine.queue import commands, ledger, queries
from tests.bench import growth
from tests.bench.explain import MANY, MOST_BUFFERS, Plan, explaining
from tests.bench.figures import Figure, Target
from tests.engine.workers import CODE

FILE = Path("var/plans.txt")
PAGE = CODE / "docs" / "plans.md"
MOST_LINES, MOST_WIDTH = 24, 150  # of a plan on the page

Questions = dict[str, list[Plan]]


def figures(quick: bool) -> list[Figure]:
    """Every plan that is not flat, and how many there are."""
    most = 100_000 if quick else 1_000_000
    asked = dict(_asked(most))
    _write_all(asked)
    if not quick:
        PAGE.write_text(_page(asked, most))
    steep = [(question, plan) for question, plans in _each_once(asked) for plan in plans if plan.trouble]
    count = sum(len(plans) for _, plans in _each_once(asked))
    print(f"  {count} statements of {len(asked)} questions are in {FILE}", flush=True)
    return [
        Figure(f"plans that are not flat, of {count}", "statements", [len(steep)], target=Target("ours", "<=", 0)),
        *(
            Figure(f"{question}: {_named(plan)} {plan.trouble}", "buffers", [plan.buffers], best="lowest")
            for question, plan in steep
        ),
    ]


def _asked(most: int) -> Iterator[tuple[str, list[Plan]]]:
    """Each question with its plans, as the tables fill: the same rows and the same questions as those of growth.py."""
    growth.fill(growth.JOBS, 1, most)
    yield from _explained("Jobs", growth.of_jobs() | _of_a_run())
    items = growth.Items()
    items.fill(1, most)
    yield from _explained("Items of a job", items.asked())
    growth.fill(growth.FILES, 1, most)
    yield from _explained("Files", growth.of_files())
    growth.fill(growth.TALKS, 1, most)
    yield from _explained("Conversations", growth.of_talks())
    growth.Documents()(1, most // 10)
    yield from _explained("Documents", growth.of_documents())
    growth.fill(growth.QUEUED, 1, most // 10)
    yield from _explained("Many jobs wait", growth.of_queued() | _of_the_clock())


def _explained(about: str, asked: growth.Asked) -> Iterator[tuple[str, list[Plan]]]:
    for name, ask in asked.items():
        print(f"  {about}: {name}", flush=True)
        with explaining() as plans:
            ask()
        yield f"{about}: {name}", list(plans)


def _of_a_run() -> dict[str, Callable[[], object]]:
    job_id = commands.submit("stamp", {}, owner="a run").id
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job_id, "bench")
    assert claim is not None

    def beat() -> None:
        with postgres.session() as session:
            ledger.beat(session.connection(), job_id, claim.lease)

    def settle() -> None:
        with postgres.session() as session:
            ledger.settle(session.connection(), job_id, claim.lease, "succeeded")

    return {"a running job's beat": beat, "a job's end": settle}


def _of_the_clock() -> dict[str, Callable[[], object]]:
    def in_a_session(ask: Callable[..., object]) -> None:
        with postgres.session() as session:
            ask(session)

    return {
        "jobs whose worker is silent": partial(
            in_a_session, lambda session: ledger.recover_expired(session.connection())
        ),
        "jobs without a message": partial(in_a_session, queries.undelivered),
        "whose messages are looked for each second": partial(
            in_a_session, lambda session: queries.delivered_ids(session, "io", most=100)
        ),
        "whose messages are looked for now and then": partial(
            in_a_session, lambda session: queries.delivered_ids(session, "io")
        ),
    }


def _each_once(asked: Questions) -> Iterator[tuple[str, list[Plan]]]:
    """The questions with the statements that none before them sent."""
    seen: set[str] = set()
    for question, plans in asked.items():
        new = {plan.statement: plan for plan in plans if plan.statement not in seen}
        seen |= new.keys()
        yield question, list(new.values())


def _write_all(asked: Questions) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("w") as out:
        for question, plans in asked.items():
            out.write(f"{question}\n{'=' * len(question)}\n\n")
            for plan in plans:
                lines = "\n".join(plan.lines)
                out.write(f"{textwrap.indent(plan.statement.strip(), '    ')}\n\n{lines}\n\n")


def _page(asked: Questions, most: int) -> str:
    head = f"""# Plans

What Postgres does for each question that a page, a claim, the clock or a search asks, with {most:,} jobs, items of one job,
files and conversations, {most // 10:,} documents and {most // 10:,} jobs that wait.

`make bench ARGS="--only plans"` wrote this page, and the plans with what each step touched into `var/plans.txt`. It takes the
statements that the application sends, with their parameters. Rows are those that came out; buffers are pages of 8 kB that
the whole statement looked at, in memory or not. A plan is *not flat* where it reads all of a table of at least {MANY:,} rows
or touches more than {MOST_BUFFERS} buffers. A statement stands under the first question that sends it.
"""
    return head + "".join(_section(question, plans) for question, plans in _each_once(asked) if plans)


def _section(question: str, plans: list[Plan]) -> str:
    return f"\n## {question}\n" + "".join(_shown(plan) for plan in plans)


def _shown(plan: Plan) -> str:
    trouble = plan.trouble
    lines = [line if len(line) <= MOST_WIDTH else f"{line[: MOST_WIDTH - 1]}…" for line in plan.tree]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES} more lines"]
    said = f"{plan.rows:,} rows, {plan.buffers:,} buffers{f'; **not flat**: it {trouble}' if trouble else ''}"
    body = "\n".join(lines)
    return f"\n{_named(plan)}: {said}.\n\n```text\n{body}\n```\n"


def _named(plan: Plan) -> str:
    """The verb of a statement, and the table that it is about."""
    verb = re.findall(r"\b(insert into|update|delete from)\s+(\w+)", plan.statement, re.I)
    read = re.findall(r"\bfrom\s+(\w+)", plan.statement, re.I)
    word, table = verb[0] if verb else ("select from", read[0] if read else "nothing")
    return f"`{word.lower()} {table}`"
