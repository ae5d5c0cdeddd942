"""The exceptions of Legwork: one root, one class for each meaning.

Each has a `reason`, the word stored in the row; a message for people: what happened and what to do; and `retryable`, whether
the same again can succeed.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from jobs.engine.billing import NO_BILL

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errno of an OSError: disk full, quota or file size limit reached
MOST_IN_MESSAGE = 20  # field errors in the message of InvalidParams; `errors` has all


class LegworkError(Exception):
    """The root. `str(error)` may be shown to everybody who may see the job."""

    reason = "error"
    retryable = False
    bill = NO_BILL  # what a model took for what failed
    result: dict[str, Any] | None = None  # of a job that fails with it

    def __init__(self, message: str, *, reason: str | None = None, retryable: bool | None = None):
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        if retryable is not None:
            self.retryable = retryable

    @property
    def prompt_tokens(self) -> int:
        return self.bill.usage.prompt

    @property
    def completion_tokens(self) -> int:
        return self.bill.usage.completion


# Raised to the site.


@dataclass(frozen=True)
class FieldError:
    """An error in one field. `field` is a dotted path into the params; empty means the whole form."""

    field: str
    message: str


class InvalidParams(LegworkError):
    """The params are not valid. Nothing was created."""

    reason = "invalid_params"

    def __init__(self, errors: list[FieldError]):
        super().__init__(
            "; ".join(dict.fromkeys(error.message for error in errors[:MOST_IN_MESSAGE])) or "The params are not valid."
        )
        self.errors = errors


class NotFound(LegworkError):
    """The record does not exist or belongs to another owner; the two are not distinguished."""

    reason = "not_found"

    def __init__(self, message: str = "There is nothing at this address, or it is not yours."):
        super().__init__(message)


class FileMissing(NotFound):
    """A file is known, and its content is not where it was stored."""

    reason = "file_missing"


class NotAuthenticated(LegworkError):
    """Not authenticated: no session or token, or it has expired or been revoked."""

    reason = "not_signed_in"


class Forbidden(LegworkError):
    """The account may see this but not do it."""

    reason = "forbidden"


class Conflict(LegworkError):
    """The record's present state does not allow this."""

    reason = "conflict"


class KindUnavailable(LegworkError):
    """The kind is known but cannot run here; the message says which package or setting is missing."""

    reason = "kind_unavailable"


class TooLarge(LegworkError):
    """An upload is larger than allowed."""

    reason = "too_large"


class TooMany(LegworkError):
    """The owner or account has reached a limit on how many may exist at a time."""

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
    """A setting is wrong or missing. The message names the variable; the process exits with code 2."""

    reason = "settings"


# Raised by kinds.


class BadInput(LegworkError):
    """The input cannot be processed as it is; a retry fails the same way."""

    reason = "bad_input"


class Skip(LegworkError):
    """There is nothing to do for this item; the message says why. Counted as skipped, not as failed."""

    reason = "skipped"


class Transient(LegworkError):
    """An outside service was unreachable, slow or busy; a retry can succeed. `retry_after` is in seconds."""

    reason = "transient"
    retryable = True

    def __init__(self, message: str, *, reason: str | None = None, retry_after: float | None = None):
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class OutcomeUnknown(LegworkError):
    """A side effect may or may not have happened. The item becomes `unknown`; only a person repeats it."""

    reason = "doubtful"


class JobFailed(LegworkError):
    """The whole job fails: no item can succeed until somebody changes something."""

    reason = "failed"


class QuotaExceeded(TooLarge, JobFailed):
    """The owner's storage quota is used up. An upload is refused; a job that saves files fails."""

    reason = "storage_full"


class BudgetSpent(LegworkError):
    """The job has reached a limit that its params set. It ends, and keeps its finished items."""

    reason = "budget_spent"


# Raised to end a run from outside. Not a LegworkError, so that `except LegworkError` in a kind cannot swallow a stop.


class RunEnded(BaseException):
    """The run must end now. A BaseException, so that `except Exception` in a kind cannot swallow it."""

    how = "ended"


class StopRequested(RunEnded):
    """A person asked the job to stop."""

    how = "stopped"


class ShuttingDown(RunEnded):
    """This worker is shutting down; another one will continue the job."""

    how = "shutdown"


class TimeLimitReached(RunEnded):
    """The job's time limit has passed."""

    how = "time_limit"


class PartsOver(RunEnded):
    """A helper has no more parts to do, or cannot go on; the message says why. `how` goes into its record."""

    how = "done"

    def __init__(self, message: str = "", *, how: str = "done"):
        super().__init__(message)
        self.message = message
        self.how = how


class LeaseLost(RunEnded):
    """This attempt's lease has ended: it must write nothing more."""

    how = "lost"


class ProviderWait(RunEnded):
    """A provider answers the job's requests in batches of its own. The job waits in the queue until the clock finds them ended."""

    how = "provider"

    def __init__(self, requests: int):
        self.message = f"The provider answers {requests:,} requests within 24 hours, for half the price."
        super().__init__(self.message)


@dataclass(frozen=True)
class ApprovalQuestion:
    """A tool call that needs a person's approval. call: its key, the same in a later attempt."""

    call: str
    tool: str
    arguments: dict[str, Any]


class ApprovalNeeded(RunEnded):
    """A person must approve or refuse first. The job waits up to `hours` in the queue; a later run finds the answers."""

    how = "approval"

    def __init__(self, questions: list[ApprovalQuestion], hours: int):
        names = ", ".join(dict.fromkeys(question.tool for question in questions))
        self.message = f"The agent asks to call {names}. Approve or refuse it on this page."
        super().__init__(self.message)
        self.questions = questions
        self.hours = hours
