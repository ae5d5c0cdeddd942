"""What a provider's error means, whether it comes with its own status, in a body with status 200, or within a stream.

Its words are kept: without keys, and not longer than a message should be.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from jobs.engine.billing import NO_BILL, Bill
from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient

LONGEST_SENTENCE = 300
REFUSED_KEY, NO_CREDIT, BUSY, REFUSED = 401, 402, 429, 400

_KEYS = re.compile(r"(?:\b(?:sk|pk|key|gsk|xai)[-_]|Bearer\s+)[\w*.\-]{6,}", re.IGNORECASE)
_TIMES = {2: "twice", 3: "three times", 4: "four times"}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"}
# The status that an error without one stands for, by its code or type.
_STATUSES = {
    **dict.fromkeys(_NO_CREDIT, NO_CREDIT),
    **dict.fromkeys(("invalid_api_key", "authentication_error", "permission_error", "permission_denied"), REFUSED_KEY),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "tokens", "requests", "too_many_requests"), BUSY),
    **dict.fromkeys(("server_error", "internal_server_error", "internal_error", "api_error", "upstream_error"), 500),
    **dict.fromkeys(("overloaded_error", "overloaded", "service_unavailable", "unavailable", "engine_overloaded"), 503),
    **dict.fromkeys(("timeout", "timeout_error", "gateway_timeout", "deadline_exceeded"), 504),
}


class Unwell(Exception):
    """This try brought no answer; another may. Its text is the start of a sentence, `said` what the provider says of it."""

    def __init__(self, message: str, said: str = "", bill: Bill = NO_BILL, *, sent: bool = True) -> None:
        super().__init__(message)
        known = bool(said) and not said.startswith("<")  # pages of proxies have markup
        self.said = f" It says: {said}{'' if said[-1:] in '.!?…' else '.'}" if known else ""
        # What is paid all the same; a request that was sent and brought no count may be.
        self.bill = bill if bill.usage.tokens or not sent else Bill(doubtful=1)


class NoAnswer(Unwell):
    """A body with status 200 that is no answer. It may be an error."""


class Busy(Exception):
    """The provider asks for a wait, of `seconds` where it says how long."""

    def __init__(self, seconds: float | None, said: str = "") -> None:
        self.seconds, self.said = seconds, said


class NotThere(Exception):
    """There is no such model, or nothing that answers at this address."""


class OtherLimitName(Exception):
    """This model knows the limit of tokens under its newer name only."""


def meaning(status: int, headers: Mapping[str, str], said: str, code: str) -> Exception:
    """What an error means: Busy, Unwell, NotThere, JobFailed (no request can succeed) or BadInput (this one is refused)."""
    if status == NO_CREDIT or (status == BUSY and code in _NO_CREDIT):
        return JobFailed(f"The provider says that the account has no credit left: {said}", reason="provider_credit")
    if status == BUSY:
        return Busy(_retry_after(headers.get("Retry-After", "")), said)
    if status in (408, 409, 425) or status >= 500:
        return Unwell(f"The provider had an error ({status})", said)
    if status in (REFUSED_KEY, 403):
        sentence = f"The provider refused the key in OPENAI_API_KEY ({status}). It says: {said}"
        return JobFailed(sentence, reason="provider_refused_key")
    if status < 400 or status in (404, 405):
        return NotThere()
    return BadInput(f"The provider refused this request. It says: {said}", reason="provider_refused")


def within(body: Any, api_key: str) -> Exception | None:
    """What an error in a body with status 200, or in an event of a stream, means; None where there is none.

    It is worth another try only where its code says so.
    """
    said, code = _said_in(body)
    if not said:
        return None
    said, status = shortened(said, api_key), _status(code)
    found = meaning(status, {}, said, code)
    return (
        BadInput(f"The provider has no such model. It says: {said}", reason="no_model")
        if isinstance(found, NotThere)
        else found
    )


def instead_of_answer(raw: bytes, api_key: str) -> Exception | None:
    """What the error in a body with status 200 means; None where there is none."""
    try:
        return within(json.loads(raw), api_key)
    except (ValueError, RecursionError):
        return None


def gave_up(error: Unwell, failures: int, paid: Bill) -> Transient:
    """The last of so many tries brought nothing either."""
    times = "" if failures == 1 else f", {_TIMES.get(failures, f'{failures} times')}"
    found = Transient(f"{error}{times}.{error.said}", reason="provider_unwell")
    found.bill = paid
    return found


def too_busy(error: Busy, pause: float, paid: Bill) -> Transient:
    sentence = f"The provider is too busy: it asks for a wait of {round(pause)} s."
    found = Transient(sentence, reason="provider_busy", retry_after=pause)
    found.bill = paid
    return found


@contextmanager
def paid_before(bill: Bill) -> Iterator[None]:
    """Add what earlier tries cost to an error."""
    try:
        yield
    except LegworkError as error:
        error.bill = bill + error.bill
        raise


def sentence_of(raw: bytes, api_key: str) -> tuple[str, str]:
    """The provider's own words about an error, and its code for it."""
    try:
        said, code = _said_in(json.loads(raw))
    except (ValueError, RecursionError):
        said, code = "", ""
    return shortened(said or raw[:2000].decode(errors="replace"), api_key) or "nothing.", code


def shortened(said: str, api_key: str) -> str:
    if api_key:
        said = said.replace(api_key, "[key]")
    said = " ".join(_KEYS.sub("[key]", said).split())
    return said if len(said) <= LONGEST_SENTENCE else said[: LONGEST_SENTENCE - 1] + "…"


def wants_other_limit_name(said: str, body: Mapping[str, Any]) -> bool:
    return "max_tokens" in body and "max_completion_tokens" in said


def renamed_limit(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in body.items()}


def _said_in(body: Any) -> tuple[str, str]:
    """The words and the code of an error, in the forms that providers and the proxies before them use; empty without one."""
    if not isinstance(body, dict):
        return "", ""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    error = body.get("error") or choice.get("error") or body.get("errors") or body.get("detail")
    if not error and not choices and isinstance(body.get("message"), str):
        error = body
    error = error[0] if isinstance(error, list) and error else error
    if isinstance(error, dict):
        said = error.get("message") or error.get("msg") or json.dumps(error)
        return str(said), str(error.get("code") or error.get("type") or error.get("status") or body.get("code") or "")
    return (str(error), str(body.get("code") or body.get("error_type") or "")) if error else ("", "")


def _status(code: str) -> int:
    """The status that a code stands for; without one that is known, the request is refused."""
    if code.isdecimal() and 400 <= int(code) <= 599:
        return int(code)
    return _STATUSES.get(code.lower(), REFUSED)


def _retry_after(text: str) -> float | None:
    """Seconds, from seconds or from a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.05, seconds) if seconds < float("inf") else None
