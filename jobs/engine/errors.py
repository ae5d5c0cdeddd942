"""Why something did not happen: one root, one class a reason.

Each class says three things: `reason`, the word kept in the row; the message, one sentence for a person that says what
happened and what to do; and `retryable`, whether trying the same again can help.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of an OSError: the disk, or what one may have of it, is full
MOST_TOLD = 20  # errors that a message names; the rest is in `errors`


class LegworkError(Exception):
    """The root. `str(error)` is a sentence that may be shown to anybody who may see the job."""

    reason = "error"
    retryable = False

    def __init__(self, message: str, *, reason: str | None = None, retryable: bool | None = None):
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        if retryable is not None:
            self.retryable = retryable


# What the web side answers to.


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. `field` is a dotted path into the params; empty means the whole form."""

    field: str
    message: str


class InvalidParams(LegworkError):
    """The params do not fit. Nothing was created."""

    reason = "invalid_params"

    def __init__(self, errors: list[FieldError]):
        super().__init__(
            "; ".join(dict.fromkeys(error.message for error in errors[:MOST_TOLD])) or "The params do not fit."
        )
        self.errors = errors


class NotFound(LegworkError):
    """The record does not exist or belongs to another owner; the two are not distinguished."""

    reason = "not_found"

    def __init__(self, message: str = "There is nothing at this address, or it is not yours."):
        super().__init__(message)


class NotAuthenticated(LegworkError):
    """Nobody is known to ask: there is no sign-in, or it has ended, or the token is none."""

    reason = "not_signed_in"


class Forbidden(LegworkError):
    """Who asks is known, may see this, and may not do it."""

    reason = "forbidden"


class Conflict(LegworkError):
    """The record is in a state in which this cannot be done."""

    reason = "conflict"


class KindUnavailable(LegworkError):
    """The kind is known but cannot run here; the message says which package or setting is missing."""

    reason = "kind_unavailable"


class TooLarge(LegworkError):
    """An upload is over the limit."""

    reason = "too_large"


class TooMany(LegworkError):
    """A person has as many of these at a time as one may have."""

    reason = "too_many"
    retryable = True


class DatabaseUnavailable(LegworkError):
    """Postgres does not answer."""

    reason = "database_away"
    retryable = True


class BrokerUnavailable(LegworkError):
    """Redis does not answer. Jobs are safe in the database meanwhile."""

    reason = "broker_away"
    retryable = True


class SettingsError(LegworkError):
    """A setting is wrong or missing. The message names the variable; the process leaves with code 2."""

    reason = "settings"


# What a kind raises about its work.


class BadInput(LegworkError):
    """The input cannot be worked on as it is; the same again fails the same way."""

    reason = "bad_input"


class Skip(LegworkError):
    """Nothing to do for this item, and why. Counted as skipped, not as failed."""

    reason = "skipped"


class Transient(LegworkError):
    """Something outside was away, slow or busy. Trying again later can help."""

    reason = "transient"
    retryable = True

    def __init__(self, message: str, *, reason: str | None = None, retry_after: float | None = None):
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class OutcomeUnknown(LegworkError):
    """Whether a side effect happened cannot be told. The item is `unknown`, and repeated only by a person."""

    reason = "doubtful"


class JobFailed(LegworkError):
    """The whole job cannot go on: no item can succeed until somebody changes something."""

    reason = "failed"


class QuotaExceeded(TooLarge, JobFailed):
    """The owner's files take all the room that one may have. An upload is refused; a job that makes files ends."""

    reason = "storage_full"


class BudgetSpent(LegworkError):
    """A limit that the person set is reached. The job ends here and keeps what is done."""

    reason = "budget_spent"


# What ends a run from outside. Not LegworkError on purpose of kinds: `except LegworkError` must not swallow a stop.


class RunEnded(BaseException):
    """A run must end now. A BaseException, so that `except Exception` in a kind cannot swallow it."""

    how = "ended"


class StopAsked(RunEnded):
    """A person asked the job to stop."""

    how = "stopped"


class ShuttingDown(RunEnded):
    """This worker is being shut down; another takes the job over."""

    how = "shutdown"


class TimeLimitReached(RunEnded):
    """The job's time limit has passed."""

    how = "time_limit"


class LeaseLost(RunEnded):
    """Another worker has this job now, or nobody: nothing may be written any more."""

    how = "lost"


@dataclass(frozen=True)
class ApprovalQuestion:
    """A call that needs a person's yes. call: what makes it the same one in a later attempt."""

    call: str
    tool: str
    arguments: dict[str, Any]


class ApprovalNeeded(RunEnded):
    """A person must say yes or no first. The job waits in the queue for `hours`, and a later run finds the answers."""

    how = "approval"

    def __init__(self, questions: list[ApprovalQuestion], hours: int):
        names = ", ".join(dict.fromkeys(question.tool for question in questions))
        self.message = f"It asks whether it may call {names}. Say yes or no on this page."
        super().__init__(self.message)
        self.questions = questions
        self.hours = hours
