"""Reviews: changing the thresholds of a job that has ended, and deciding about single items.

Both update the items and the counts in the job's result, in one transaction with the record of who did it. Lists, counts and
downloads show the verdicts in force; the scores do not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import VERDICTS, Decision, Item, Job, ThresholdChange
from jobs.engine.db.records import Page, owned
from jobs.engine.errors import Conflict, FieldError, InvalidParams, NotFound
from jobs.engine.kits.moderation import examples
from jobs.engine.kits.moderation import thresholds as limits
from jobs.engine.kits.moderation.thresholds import Threshold
from jobs.engine.queue import ledger
from jobs.engine.validation import params_errors

PAGE = 500  # items updated in one statement
EXAMPLES = "Your examples"  # who changed thresholds that were picked from labelled texts
DECIDED = ("decided_by",)  # the columns that only a decided item has


@dataclass(frozen=True)
class ReviewStatus:
    """The state of a job's verdicts. thresholds: those in force, by category; changed_by, changed_at: if a person set them.

    counts: items by verdict, decisions included. decided: decisions in force; reviewed: those on items that were to review.
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
        """The thresholds for a category."""
        return limits.threshold_of(category, self.thresholds)


def judges(job: Job | JobView) -> bool:
    """Whether this job's items get verdicts."""
    return isinstance(job.params.get("thresholds"), dict)


def review_status(job: JobView) -> ReviewStatus:
    """The state of a job's verdicts. Raises NotFound if it is not a moderation job."""
    check(job)
    with postgres.session() as session:
        return _standing(session, job)


def list_decisions(
    job: JobView, *, after: str | None = None, limit: int = 50, in_force: bool = False
) -> Page[Decision]:
    """The decisions of people, latest first, including undone ones unless `in_force`."""
    check(job)
    query = select(Decision).where(Decision.job_id == job.id)
    if in_force:
        query = query.where(Decision.undone_at.is_(None))
    if after is not None:
        query = query.where(Decision.id < _number(after))
    with postgres.session() as session:
        rows = list(session.scalars(query.order_by(Decision.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def threshold_changes(job: JobView, limit: int = 20) -> list[ThresholdChange]:
    """The thresholds that people set, latest first."""
    check(job)
    query = select(ThresholdChange).where(ThresholdChange.job_id == job.id).order_by(ThresholdChange.id.desc())
    with postgres.session() as session:
        return list(session.scalars(query.limit(limit)))


# Used by a run.


def in_force(job_id: UUID, given: Mapping[str, Threshold]) -> dict[str, Threshold]:
    """The thresholds in force for a job whose params have these."""
    with postgres.session() as session:
        change = _latest(session, job_id)
    return limits.read_thresholds(change.thresholds) if change else dict(given)


def decided(job_id: UUID) -> dict[str, dict[str, Any]]:
    """By item key: the columns of a decision in force, which replace the judge's."""
    query = select(Decision).where(Decision.job_id == job_id, Decision.undone_at.is_(None))
    with postgres.session() as session:
        return {row.key: _columns(row) for row in session.scalars(query)}


def figures(job_id: UUID) -> dict[str, Any]:
    """The counts of verdicts for the job's result."""
    with postgres.session() as session:
        return _figures(session, job_id)


def fit_thresholds(job_id: UUID, column: str, given: Mapping[str, Threshold], most: float) -> dict[str, Any] | None:
    """Thresholds picked from the items with a label in this column, and put in force; None if a person has set others.

    See examples.fit.
    """
    with postgres.session() as session:
        change = _latest(session, job_id)
        if change and change.changed_by != EXAMPLES:
            return None
        query = select(Item.input[column], Item.output).where(Item.job_id == job_id, Item.verdict.is_not(None))
        rows = session.execute(query.order_by(Item.position, Item.key))
        found = examples.fit(((label, output or {}) for label, output in rows), given, most)
        job = session.get(Job, job_id, with_for_update=True)
        if job and "thresholds" in found:
            _change(session, job, limits.read_thresholds(found["thresholds"]), EXAMPLES, _counts(session, job_id))
        return found


# Used by people.


def set_thresholds(job_id: str | UUID, given: Mapping[str, Any], *, owner: str, by: str) -> ReviewStatus:
    """Compute the verdicts of an ended job again from its scores; decisions of people stay.

    Raises InvalidParams, NotFound, and Conflict if the job has not ended.
    """
    with postgres.session() as session:
        job = _locked(session, job_id, owner)
        if not job.ended:
            raise Conflict("This job has not ended yet. Change its thresholds when it has.")
        before = _standing(session, job)
        if not before.judged:
            raise Conflict("This job judged no texts, so there is nothing to change.")
        new = _read(given, [*before.categories, *before.thresholds])
        _change(session, job, new, by, before.counts)
        return _standing(session, job)


def decide_item(job_id: str | UUID, key: str, verdict: str, *, owner: str, by: str) -> Decision:
    """Allow or block an item, whatever its verdict. Raises NotFound, InvalidParams, and Conflict if it was decided before."""
    if verdict not in ("allow", "block"):
        raise InvalidParams([FieldError("verdict", "A decision must be allow or block.")])
    with postgres.session() as session:
        job = _locked(session, job_id, owner)
        if job.params.get("observe_only"):
            raise Conflict("This job only observes, so there is nothing to decide.")
        item = session.get(Item, (job.id, key.replace("\x00", "")))
        if item is None or item.verdict is None:
            raise NotFound("This job has no judged item with that key.")
        output = item.output or {}
        if "decided_by" in output:
            raise Conflict(f"This text was {output['rule']} before. Undo that decision first.")
        decision = Decision(job_id=job.id, key=item.key, before=item.verdict, after=verdict, decided_by=by)
        session.add(decision)
        session.flush()
        session.refresh(decision)
        _revise(session, job, [(item.key, output | _columns(decision))])
        _follow(session, job)
        return decision


_DONE = {"allow": "allowed", "block": "blocked"}


def undo_decision(job_id: str | UUID, decision_id: str | int, *, owner: str, by: str) -> Decision:
    """Undo a decision: the item gets the verdict of its scores again. Raises NotFound, Conflict."""
    with postgres.session() as session:
        job = _locked(session, job_id, owner)
        decision = session.get(Decision, _number(str(decision_id)))
        if decision is None or decision.job_id != job.id:
            raise NotFound("This job has no such decision.")
        if decision.undone_at is not None:
            raise Conflict("This decision has been undone already.")
        item = session.get(Item, (job.id, decision.key))
        if item is None or not item.output:
            raise Conflict("This item is being judged again. Wait until it has ended, then undo the decision.")
        decision.undone_by, decision.undone_at = by, session.scalar(select(func.now()))
        session.flush()
        own = {name: value for name, value in item.output.items() if name not in DECIDED}
        _revise(session, job, [(item.key, _judged_by(own, _thresholds(session, job)))])
        _follow(session, job)
        return decision


# Inside the caller's transaction.


def _locked(session: Session, job_id: str | UUID, owner: str) -> Job:
    """The job, with its row locked."""
    job = owned(session, Job, job_id, owner, for_update=True)
    check(job)
    return job


def check(job: Job | JobView) -> None:
    """Raises NotFound if it is not a moderation job."""
    if not judges(job):
        raise NotFound("This is not a moderation job.")


def _standing(session: Session, job: Job | JobView) -> ReviewStatus:
    change = _latest(session, job.id)
    scored = Item.output["scores"].astext != "{}"  # a text that a word of a list blocked has no scores
    judged = select(Item.output).where(Item.job_id == job.id, Item.verdict.is_not(None), scored)
    first = session.scalar(judged.order_by(Item.position).limit(1))
    return ReviewStatus(
        limits.read_thresholds(change.thresholds if change else job.params.get("thresholds", {})),
        change.changed_by if change else None,
        change.changed_at if change else None,
        _counts(session, job.id),
        *_decided_counts(session, job.id),
        list((first or {}).get("scores", {})),
        bool(job.params.get("observe_only")),
    )


def _thresholds(session: Session, job: Job) -> dict[str, Threshold]:
    change = _latest(session, job.id)
    return limits.read_thresholds(change.thresholds if change else job.params.get("thresholds", {}))


def _latest(session: Session, job_id: UUID) -> ThresholdChange | None:
    query = select(ThresholdChange).where(ThresholdChange.job_id == job_id).order_by(ThresholdChange.id.desc())
    return session.scalar(query.limit(1))


def _counts(session: Session, job_id: UUID) -> dict[str, int]:
    query = select(Item.verdict, func.count()).where(Item.job_id == job_id, Item.verdict.is_not(None))
    found = {verdict: count for verdict, count in session.execute(query.group_by(Item.verdict))}
    return {verdict: found.get(verdict, 0) for verdict in VERDICTS}


def _decided_counts(session: Session, job_id: UUID) -> tuple[int, int]:
    """The number of decisions in force, and of those on items that were to review."""
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


def _change(session: Session, job: Job, new: Mapping[str, Threshold], by: str, before: Mapping[str, int]) -> None:
    """Put other thresholds in force and record it."""
    _judge_anew(session, job, new)
    after = _counts(session, job.id)
    kept = {name: one.model_dump() for name, one in new.items()}
    session.add(ThresholdChange(job_id=job.id, thresholds=kept, changed_by=by, before=dict(before), after=after))
    session.flush()
    _follow(session, job)
    ledger.note(session.connection(), job.id, "info", f"{by} set other thresholds: {_summary(before, after)}")


def _judge_anew(session: Session, job: Job, thresholds: Mapping[str, Threshold]) -> None:
    """Update the verdicts of all items without a decision, a page at a time; only changed ones are written."""
    settled = select(Decision.key).where(Decision.job_id == job.id, Decision.undone_at.is_(None))
    left_alone = set(session.scalars(settled))
    for page in _judged(session, job.id):
        changed = []
        for key, output in page:
            new = _judged_by(output, thresholds)
            if key not in left_alone and new != output:
                changed.append((key, new))
        if changed:
            _revise(session, job, changed)


def _judged_by(output: Mapping[str, Any], thresholds: Mapping[str, Threshold]) -> dict[str, Any]:
    """An item's output with the verdict that follows from these thresholds and the word of a list that its text has."""
    own = limits.OwnWord(output["word"], output["word_verdict"]) if output.get("word") else None
    return {**output, **limits.decide(output["scores"], thresholds, own).columns()}


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
    """Update the counts in the job's result."""
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


def _summary(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    return ", ".join(f"{verdict} {before[verdict]:,} → {after[verdict]:,}" for verdict in VERDICTS)


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise NotFound("There is no such decision.")
    return int(given)
