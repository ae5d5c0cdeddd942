"""What people do with verdicts: set other thresholds for a job, and decide about single items.

Both rewrite the items they touch and the counts in the job's result, in one transaction with the record of who did it. So
lists, counts and downloads follow what is in force, and the scores stay as they were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select, text, tuple_
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models import VERDICTS, Decision, Item, Job, ThresholdChange
from jobs.engine.db.records import Page, owned
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound
from jobs.engine.kits.moderation import thresholds as limits
from jobs.engine.kits.moderation.thresholds import Threshold
from jobs.engine.queue import ledger
from jobs.engine.validation import params_errors

PAGE = 500  # items that get new verdicts at a time
LOOKED_AT = 2_000  # items whose scores are drawn
DECIDED = ("decided_by",)  # the columns that only a decided item has


@dataclass(frozen=True)
class ReviewStatus:
    """How a job's verdicts stand. thresholds: those in force, by category; changed_by and changed_at where a person set them.

    counts: items by verdict, decisions included. decided: by people, and in force; reviewed: those that waited for it.
    """

    thresholds: dict[str, Threshold]
    changed_by: str | None
    changed_at: datetime | None
    counts: dict[str, int]
    decided: int
    reviewed: int
    categories: list[str]
    observe_only: bool

    @property
    def to_review(self) -> int:
        return self.counts["review"]

    @property
    def judged(self) -> int:
        return sum(self.counts.values())

    def limits(self, category: str) -> Threshold:
        """The thresholds that count for a category."""
        return limits.threshold_of(category, self.thresholds)


def judges(job: Job) -> bool:
    """Whether this is a job whose items get verdicts."""
    return isinstance(job.params.get("thresholds"), dict)


def review_status(job: Job) -> ReviewStatus:
    """Raises NotFound for a job that judges nothing."""
    _check(job)
    with postgres.session() as session:
        return _standing(session, job)


def list_decisions(job: Job, *, after: str | None = None, limit: int = 50) -> Page[Decision]:
    """What people decided, the latest first, undone decisions too."""
    _check(job)
    query = select(Decision).where(Decision.job_id == job.id)
    if after is not None:
        query = query.where(Decision.id < _number(after))
    with postgres.session() as session:
        rows = list(session.scalars(query.order_by(Decision.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def threshold_changes(job: Job, limit: int = 20) -> list[ThresholdChange]:
    """The thresholds that people set, the latest first."""
    _check(job)
    query = select(ThresholdChange).where(ThresholdChange.job_id == job.id).order_by(ThresholdChange.id.desc())
    with postgres.session() as session:
        return list(session.scalars(query.limit(limit)))


def score_distribution(job: Job) -> dict[str, list[int]]:
    """How the scores of the first items lie, by category: how many are in each tenth from 0 to 1."""
    _check(job)
    found: dict[str, list[int]] = {}
    with postgres.session() as session:
        for row in session.execute(_SPREAD, {"id": job.id, "most": LOOKED_AT}):
            found.setdefault(row.category, [0] * 10)[row.tenth] = row.texts
    return found


_SPREAD = text("""
    select score.key as category, least(floor(cast(score.value as float8) * 10), 9)::int as tenth, count(*) as texts
    from (select output from items where job_id = :id and verdict is not null order by position limit :most) as judged,
        json_each_text(judged.output -> 'scores') as score
    group by 1, 2
""")


# What a run goes by.


def in_force(job_id: UUID, given: Mapping[str, Threshold]) -> dict[str, Threshold]:
    """The thresholds of a job that was given these."""
    with postgres.session() as session:
        change = _latest(session, job_id)
    return limits.read_thresholds(change.thresholds) if change else dict(given)


def decided(job_id: UUID) -> dict[str, dict[str, Any]]:
    """By the key of the item: the columns that a decision in force puts over those of the judge."""
    query = select(Decision).where(Decision.job_id == job_id, Decision.undone_at.is_(None))
    with postgres.session() as session:
        return {row.key: _columns(row) for row in session.scalars(query)}


def figures(job_id: UUID) -> dict[str, Any]:
    """What the result of a job says of its verdicts."""
    with postgres.session() as session:
        return _figures(session, job_id)


# What people do.


def set_thresholds(job_id: str | UUID, given: Mapping[str, Any], *, owner: str, by: str) -> ReviewStatus:
    """Derive the verdicts of an ended job anew; nothing is judged again, and what people decided stays decided.

    Raises InvalidParams, NotFound, and Conflict where the job has not ended.
    """
    with postgres.session() as session:
        job = _held(session, job_id, owner)
        if not job.ended:
            raise Conflict("This job has not ended yet. Its thresholds can be changed when it has.")
        before = _standing(session, job)
        if not before.judged:
            raise Conflict("This job judged nothing, so there is nothing to change.")
        new = _read(given, [*before.categories, *before.thresholds])
        _judge_anew(session, job, new)
        after = _counts(session, job.id)
        kept = {name: one.model_dump() for name, one in new.items()}
        session.add(ThresholdChange(job_id=job.id, thresholds=kept, changed_by=by, before=before.counts, after=after))
        session.flush()
        _follow(session, job)
        ledger.note(session.connection(), job.id, "info", f"{by} set other thresholds: {_said(before.counts, after)}")
        return _standing(session, job)


def decide_item(job_id: str | UUID, key: str, verdict: str, *, owner: str, by: str) -> Decision:
    """Settle an item, whatever its verdict is. Raises NotFound, InvalidParams, and Conflict if somebody has settled it before."""
    if verdict not in ("allow", "block"):
        raise InvalidParams([FieldError("verdict", "A decision is allow or block.")])
    with postgres.session() as session:
        job = _held(session, job_id, owner)
        if job.params.get("observe_only"):
            raise Conflict("This job only observes, so there is nothing to decide.")
        item = session.get(Item, (job.id, key.replace("\x00", "")))
        if item is None or item.verdict is None:
            raise NotFound("There is no judged item of that key in this job.")
        output = item.output or {}
        if "decided_by" in output:
            raise Conflict(f"This text was {output['rule']} before. Take that back first.")
        decision = Decision(job_id=job.id, key=item.key, before=item.verdict, after=verdict, decided_by=by)
        session.add(decision)
        session.flush()
        session.refresh(decision)
        _revise(session, job, [(item.key, output | _columns(decision))])
        _follow(session, job)
        return decision


_DONE = {"allow": "allowed", "block": "blocked"}


def undo_decision(job_id: str | UUID, decision_id: str | int, *, owner: str, by: str) -> Decision:
    """Take a decision back: the item has the verdict again that follows from its scores. Raises NotFound, Conflict."""
    with postgres.session() as session:
        job = _held(session, job_id, owner)
        decision = session.get(Decision, _number(str(decision_id)))
        if decision is None or decision.job_id != job.id:
            raise NotFound("There is no such decision in this job.")
        if decision.undone_at is not None:
            raise Conflict("This decision was taken back before.")
        item = session.get(Item, (job.id, decision.key))
        if item is None or not item.output:
            raise Conflict("This item is being judged again. Wait for it, and take the decision back then.")
        decision.undone_by, decision.undone_at = by, session.scalar(select(func.now()))
        session.flush()
        own = {name: value for name, value in item.output.items() if name not in DECIDED}
        verdict = limits.decide(own["scores"], _thresholds(session, job))
        _revise(session, job, [(item.key, own | verdict.columns())])
        _follow(session, job)
        return decision


# Within one transaction.


def _held(session: Session, job_id: str | UUID, owner: str) -> Job:
    """The job, with its row locked: one change at a time."""
    job = owned(session, Job, job_id, owner, for_update=True)
    _check(job)
    return job


def _check(job: Job) -> None:
    if not judges(job):
        raise NotFound("This job judges nothing.")


def _standing(session: Session, job: Job) -> ReviewStatus:
    change = _latest(session, job.id)
    first = session.scalar(
        select(Item.output).where(Item.job_id == job.id, Item.verdict.is_not(None)).order_by(Item.position).limit(1)
    )
    return ReviewStatus(
        limits.read_thresholds(change.thresholds if change else job.params["thresholds"]),
        change.changed_by if change else None,
        change.changed_at if change else None,
        _counts(session, job.id),
        *_decided_counts(session, job.id),
        list((first or {}).get("scores", {})),
        bool(job.params.get("observe_only")),
    )


def _thresholds(session: Session, job: Job) -> dict[str, Threshold]:
    change = _latest(session, job.id)
    return limits.read_thresholds(change.thresholds if change else job.params["thresholds"])


def _latest(session: Session, job_id: UUID) -> ThresholdChange | None:
    query = select(ThresholdChange).where(ThresholdChange.job_id == job_id).order_by(ThresholdChange.id.desc())
    return session.scalar(query.limit(1))


def _counts(session: Session, job_id: UUID) -> dict[str, int]:
    query = select(Item.verdict, func.count()).where(Item.job_id == job_id, Item.verdict.is_not(None))
    found = {verdict: count for verdict, count in session.execute(query.group_by(Item.verdict))}
    return {verdict: found.get(verdict, 0) for verdict in VERDICTS}


def _decided_counts(session: Session, job_id: UUID) -> tuple[int, int]:
    """Decisions in force, and those among them about items that waited for one."""
    waited = func.count().filter(Decision.before == "review")
    query = select(func.count(), waited).where(Decision.job_id == job_id, Decision.undone_at.is_(None))
    decided, reviewed = session.execute(query).one()
    return decided, reviewed


def _read(given: Mapping[str, Any], categories: list[str]) -> dict[str, Threshold]:
    known = dict.fromkeys([*categories, *(name.partition("/")[0] for name in categories)])
    new: dict[str, Threshold] = {}
    errors: list[FieldError] = []
    for name, one in given.items():
        try:
            new[name] = Threshold.model_validate(one)
        except ValidationError as error:
            errors += [
                FieldError(f"thresholds.{name[:80]}.{wrong.field}".rstrip("."), wrong.message)
                for wrong in params_errors(error)
            ]
    if not errors and (wrong := limits.threshold_errors(new, list(known))):
        errors.append(FieldError("thresholds", wrong))
    if not errors and not new:
        errors.append(FieldError("thresholds", "Set at least one threshold."))
    if errors:
        raise InvalidParams(errors)
    return new


def _judge_anew(session: Session, job: Job, thresholds: Mapping[str, Threshold]) -> None:
    """Every item that no person decided, a page at a time; only those whose verdict or rule changes are written."""
    settled = select(Decision.key).where(Decision.job_id == job.id, Decision.undone_at.is_(None))
    left_alone = set(session.scalars(settled))
    for page in _judged(session, job.id):
        changed = []
        for key, output in page:
            new = output | limits.decide(output["scores"], thresholds).columns()
            if key not in left_alone and new != output:
                changed.append((key, new))
        if changed:
            _revise(session, job, changed)


def _judged(session: Session, job_id: UUID) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    last: tuple[int, str] = (0, "")
    query = select(Item.position, Item.key, Item.output).where(Item.job_id == job_id, Item.verdict.is_not(None))
    while True:
        after = query.where(tuple_(Item.position, Item.key) > tuple_(*last))
        rows = session.execute(after.order_by(Item.position, Item.key).limit(PAGE)).all()
        yield [(row.key, row.output) for row in rows]
        if len(rows) < PAGE:
            return
        last = (rows[-1].position, rows[-1].key)


def _revise(session: Session, job: Job, rows: list[tuple[str, dict[str, Any]]]) -> None:
    revised = [{"key": key, "verdict": output["verdict"], "output": output} for key, output in rows]
    ledger.revise(session.connection(), job.id, revised)


def _follow(session: Session, job: Job) -> None:
    """Have the job's result say what its items say."""
    if job.result is not None:
        ledger.revise_result(session.connection(), job.id, job.result | _figures(session, job.id))


def _figures(session: Session, job_id: UUID) -> dict[str, Any]:
    return {"verdicts": _counts(session, job_id), "decided": _decided_counts(session, job_id)[0]}


def _columns(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.after,
        "rule": f"{_DONE[decision.after]} by {decision.decided_by}",
        "decided_by": decision.decided_by,
    }


def _said(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    return ", ".join(f"{verdict} {before[verdict]:,} → {after[verdict]:,}" for verdict in VERDICTS)


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise NotFound("There is no such decision.")
    return int(given)
