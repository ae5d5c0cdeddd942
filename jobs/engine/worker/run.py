"""One attempt at one job, in the worker's child: build the kind's params and context, run it, settle the row."""

from __future__ import annotations

import random
import time
import traceback
from typing import Any

from pydantic import ValidationError

from jobs.engine import connections, sentry
from jobs.engine.db import postgres
from jobs.engine.db.models import Counts
from jobs.engine.errors import (
    ApprovalNeeded,
    BudgetSpent,
    DatabaseUnavailable,
    FileMissing,
    InvalidParams,
    KindUnavailable,
    LeaseLost,
    LegworkError,
    NotFound,
    ProviderWait,
    RunEnded,
    ShuttingDown,
    StopRequested,
    TimeLimitReached,
)
from jobs.engine.files.storage_id import explained
from jobs.engine.kinds import catalogue, sealing, secrets
from jobs.engine.kinds.definition import Kind
from jobs.engine.kinds.params import KindParams
from jobs.engine.queue import approvals, ledger, queries
from jobs.engine.queue.ledger import Claim, parts
from jobs.engine.validation import params_errors
from jobs.engine.worker import memory
from jobs.engine.worker.context import Context
from jobs.engine.worker.helper import HelperContext
from jobs.engine.worker.outcome_writer import AWAY_SECONDS, OutcomeWriter

RETRY_SECONDS = (2, 15, 60)  # before attempts 2, 3 and later, each with up to half as much again
GIVEN_BACK = "given back"  # the state of a run that SIGTERM ended: only its worker knows whether it is a shutdown
HELPED = "helped"  # of a helper's run that went well, whatever comes of the job
_STOPPED = "Stopped by a person. What was done is kept."
_ANSWERED = "It asks for approvals that were answered already, so it would never end. Its kind has to be corrected."


class Run:
    """`work()` runs the kind, `settle()` writes how it ended; `shut_down()` may be called meanwhile.

    A run that was shut down leaves its row to its worker, see lease.py.
    """

    def __init__(self, claim: Claim):
        self.claim = claim
        self.writer = OutcomeWriter(claim)
        self.context = _context(claim, self.writer)
        self.state = "running"  # of the row, as this run left it; lost where another run holds it, or GIVEN_BACK
        self._result: Any = None
        self._error: BaseException | None = None

    def shut_down(self) -> None:
        """Have the run end soon, so that its worker gives the job back. Safe in a signal handler."""
        self.writer.end(ShuttingDown())

    def work(self) -> bool:
        """Run the kind and write the outcomes of its items. False if it raised; what it raised is kept for settle()."""
        connections.offer()
        self.writer.start()
        try:
            try:
                self._result = self._call()
            finally:
                self.writer.close()
        except MemoryError as error:
            memory.make_room()
            traceback.clear_frames(error.__traceback__)  # they hold what took it
            self._error = LegworkError(memory.too_much(), reason="memory_limit")
        except BaseException as error:
            self._error = error
        return self._error is None

    def settle(self) -> str:
        """Write how the run ended, and return the state its row was left in.

        Tries again while the database is away: the parent ends this process when the lease is at risk.
        """
        while True:
            try:
                self.state = self._end(self._result, self._error)
            except LeaseLost:
                self.state = "lost"
            except DatabaseUnavailable:
                time.sleep(AWAY_SECONDS)
                continue
            return self.state

    def _call(self) -> Any:
        try:
            kind = _known(self.claim.kind)
            self.context.spread = kind.queue if kind.spread else None
            params = _fitting(kind, sealing.opened(kind, self.claim.params, self.claim.sealed))
            self.writer.hider.add(secrets.secret_values(params))
            return self.writer.hider.value(self._with_notes(kind.run(params, self.context)))
        finally:
            self.context.loop.close()

    def _with_notes(self, result: Any) -> Any:
        """The result with what is to be said of the tables that were read."""
        notes = self.context.table_notes
        return {**result, "table_notes": notes} if notes and isinstance(result, dict) else result

    def _end(self, result: Any, error: BaseException | None) -> str:
        if self.claim.help is not None:
            return self._end_help(self.claim.help, error)
        if isinstance(error, LeaseLost):
            return "lost"
        if isinstance(error, ShuttingDown):
            return GIVEN_BACK
        if self.context.feed and self.context.feed.published:
            with postgres.session() as session:
                ledger.end_helpers_of(session.connection(), self.claim.job_id)
        if error is None:
            return self._settle(*self._verdict(), result=result, whole=self.context.mapped)
        if isinstance(error, ApprovalNeeded):
            return "queued" if self._wait(error) else self._settle("failed", "approval", _ANSWERED)
        if isinstance(error, ProviderWait):
            return "queued" if self._wait_for_provider(error) else self._settle("cancelled", "stopped", _STOPPED)
        if isinstance(error, StopRequested):
            return self._settle("cancelled", "stopped", _STOPPED, result=self._so_far)
        if isinstance(error, TimeLimitReached):
            return self._settle("failed", "time_limit", _over_time(self.claim.time_limit), result=self._so_far)
        if isinstance(error, BudgetSpent):
            return self._settle("partial", error.reason, error.message, result=self._so_far)
        return self._fail(error)

    def _end_help(self, given: ledger.Help, error: BaseException | None) -> str:
        """Give back what is left of the parts. What went wrong is the leader's to tell: the same items come to it."""
        how = error.how if isinstance(error, RunEnded) else "failed"
        with postgres.session() as session:
            connection = session.connection()
            parts.end_helper(connection, given.helper, how)
            if how == "failed":
                why = _name(error) if error is not None else "the kind has no items"
                line = f"worker {given.worker} could not help: {self.writer.hider.text(why)}"
                ledger.note(connection, self.claim.job_id, "warning", line)
        return HELPED if how == "done" else how

    def _verdict(self) -> tuple[str, str | None, str | None]:
        """The job's state by those of its items: succeeded, partial or failed."""
        counts = self._counts()
        unwell = counts.failed + counts.unknown
        if unwell == 0:
            return "succeeded", None, None
        with postgres.session() as session:
            reason, sentence, times = queries.commonest_error(session, self.claim.job_id)
        why = f"{_commonest(unwell, times)}: {sentence}"
        if counts.done + counts.skipped == 0:
            return "failed", reason, f"Nothing succeeded. {why}"
        return "partial", reason, f"{unwell:,} did not succeed. {why}"

    def _counts(self) -> Counts:
        if self.writer.counts is not None:
            return self.writer.counts
        if not self.claim.resumed:
            return Counts(0, 0, 0, 0, None)  # nothing was ever recorded
        with postgres.session() as session:
            return queries.counts(session, self.claim.job_id)

    def _fail(self, error: BaseException) -> str:
        if isinstance(error, FileMissing):
            error.message = explained(error)
        detail = self.writer.hider.text("".join(traceback.format_exception(error)))
        if not isinstance(error, LegworkError):
            message = f"The job ended with an error that its kind did not expect: {_name(error)}"
            state = self._settle("failed", "unexpected", message, detail=detail)
            sentry.report(error, self.writer.hider)
            return state
        if error.retryable and self._postpone(error, detail):
            return "queued"
        return self._settle("failed", error.reason, error.message, detail=detail, result=error.result)

    def _postpone(self, error: LegworkError, detail: str) -> bool:
        why = error.reason, self.writer.hider.text(error.message), detail
        with postgres.session() as session:
            return ledger.postpone(session.connection(), *self._held, self._delay(error), *why)

    def _wait(self, needed: ApprovalNeeded) -> bool:
        with postgres.session() as session:
            return approvals.ask_approval(session.connection(), self.claim, needed)

    def _wait_for_provider(self, wait: ProviderWait) -> bool:
        with postgres.session() as session:
            return ledger.wait(session.connection(), *self._held, None, wait.message, "provider")

    def _delay(self, error: LegworkError) -> float:
        """Seconds to wait: what a provider asked for, else by the number of the attempt, with jitter."""
        asked = getattr(error, "retry_after", None)
        usual = RETRY_SECONDS[min(self.claim.attempt, len(RETRY_SECONDS)) - 1]
        return asked if asked is not None else usual * random.uniform(1, 1.5)  # noqa: S311  (jitter)

    def _settle(self, state: str, reason: str | None = None, message: str | None = None, **more: Any) -> str:
        message = self.writer.hider.value(message)
        with postgres.autocommit() as connection:
            return ledger.settle(connection, *self._held, state, reason=reason, message=message, **more)

    @property
    def _so_far(self) -> Any:
        return self.writer.hider.value(self._with_notes(self.context.so_far))

    @property
    def _held(self) -> tuple[Any, int]:
        return self.claim.job_id, self.claim.lease


def _known(name: str) -> Kind:
    """The kind. One that this worker does not know counts as an attempt, and is tried again later: another may know it."""
    try:
        return catalogue.kind(name)
    except (NotFound, KindUnavailable) as error:
        raise LegworkError(error.message, reason="no_kind", retryable=True) from error


def _context(claim: Claim, writer: OutcomeWriter) -> Context:
    return Context(claim, writer) if claim.help is None else HelperContext(claim, writer, claim.help)


def _fitting(kind: Kind, params: dict[str, Any]) -> KindParams:
    """The params as the kind's model. They were valid when the job was submitted: if not now, the kind has changed.

    A job with params that this worker does not know is tried again later: a worker of a newer version may know them.
    """
    try:
        return kind.Params.model_validate(params)
    except ValidationError as error:
        newer = all(one["type"] == "extra_forbidden" for one in error.errors())
        wrong = " ".join(f"{one.field}: {one.message}" for one in params_errors(error))
        message = f"This kind of job has changed since the job was submitted. {wrong} Fill in its form again."
        raise LegworkError(message, reason=InvalidParams.reason, retryable=newer) from error


def _commonest(unwell: int, count: int) -> str:
    return "The reason" if count == unwell else f"The commonest reason, {count:,} of {unwell:,}"


def _over_time(seconds: int) -> str:
    limit = f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"
    return f"Reached its time limit of {limit}. What was done is kept."


def _name(error: BaseException) -> str:
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"[:300]
