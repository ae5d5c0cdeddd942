"""Compute on a filled-in form outside the web process: validation, label, estimate, preview, questions for a trial.

A kind may compute for seconds on untrusted params, and a web process must answer everybody else meanwhile. So it calls
`start`, and each of these calls then runs in one of PROCESSES helper processes, within CALL_SECONDS; a call that takes
longer is ended with its process. An owner has one call at a time. Elsewhere, in workers and tests, the calls run in place.
"""

from __future__ import annotations

import json
import os
import resource
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from jobs.engine import errors, jsonsafe
from jobs.engine.errors import FieldError, InvalidParams, LegworkError, Transient
from jobs.engine.kinds import catalogue, checks, estimates
from jobs.engine.kinds.checks import ValidParams
from jobs.engine.kinds.definition import Estimate, TrialPrompt
from jobs.engine.sandbox import child_limit, rlimits
from jobs.engine.sandbox.child_limit import ChildLimit
from jobs.engine.sandbox.parent_death import call_process, die_with_parent, forbid_tracing
from jobs.engine.sandbox.spawn import PipedChild

PROCESSES = 2
START_SECONDS = 60.0
CALL_SECONDS = 10.0  # from when the process is ready
WAIT_SECONDS = 10.0  # for a free process
BUSY = "Other forms are being checked, and take long. Try again in a moment."
MEMORY_BYTES = 2 << 30  # of one helper process
MODULE = "jobs.engine.kinds"


def validate(kind_name: str, params: dict[str, Any], *, owner: str, estimating: bool = False) -> ValidParams:
    """Validate the params of a job; with its estimate, if that is wanted.

    Raises NotFound, KindUnavailable, InvalidParams, TooMany.
    """
    if _pool is None:
        return checks.validate(kind_name, params, owner=owner, estimating=estimating)
    found = _pool.call("validate", kind_name, params, owner=owner, estimating=estimating)
    return ValidParams(catalogue.kind(kind_name), found["json"], found["label"], _as_estimate(found["estimate"]))


def estimate(kind_name: str, params: dict[str, Any], *, owner: str, sample: int | None = None) -> Estimate | None:
    """What the job will need; None if the kind has no estimate. Raises what validate raises."""
    if _pool is None:
        return estimates.estimate(kind_name, params, owner=owner, sample=sample)
    found = _pool.call("estimate", kind_name, params, owner=owner, sample=sample)
    return _as_estimate(found)


def _as_estimate(found: dict[str, Any] | None) -> Estimate | None:
    return Estimate(**found | {"notes": tuple(found["notes"])}) if found else None


def choices(kind_name: str, params: dict[str, Any], *, owner: str) -> dict[str, list[str]]:
    """What can be chosen in a field, by what is given so far. Raises NotFound, KindUnavailable, TooMany."""
    if _pool is None:
        return estimates.choices(kind_name, params, owner=owner)
    found: dict[str, list[str]] = _pool.call("choices", kind_name, params, owner=owner)
    return found


def preview(kind_name: str, params: dict[str, Any], place: int, *, owner: str) -> dict[str, Any] | None:
    """The kind's preview of the item at this place, from 1; None if it has none. Raises what validate raises, BadInput."""
    if _pool is None:
        return estimates.preview(kind_name, params, place, owner=owner)
    found: dict[str, Any] | None = _pool.call("preview", kind_name, params, owner=owner, place=place)
    return found


def questions(kind_name: str, params: dict[str, Any], rows: int, *, owner: str) -> list[TrialPrompt]:
    """The prompts of a trial on the first rows. Raises what validate raises, BadInput."""
    if _pool is None:
        return estimates.questions(kind_name, params, rows, owner=owner)
    return [TrialPrompt(**one) for one in _pool.call("questions", kind_name, params, owner=owner, rows=rows)]


def start() -> None:
    """Use helper processes in this process from now on; the first is started at once, since its imports take a second."""
    global _pool
    _pool = Pool()
    _pool.warm()


class Helper:
    """A helper process. It says that it is ready once it has imported the kinds."""

    def __init__(self) -> None:
        self._child = PipedChild(MODULE, environ=os.environ)
        self._ready = False

    def answer(self, line: bytes) -> bytes:
        """Its answer; empty if it has ended. One that takes too long is ended: InvalidParams."""
        try:
            self._ready = self._ready or self._child.line(START_SECONDS) != b""
            self._child.send(line)
            return self._child.line(CALL_SECONDS)
        except BrokenPipeError:
            return b""
        except TimeoutError:
            self.close()
            if not self._ready:
                raise Transient("The site is still starting. Try again in a moment.") from None
            raise InvalidParams([_too_costly(f"took longer than {CALL_SECONDS:.0f} seconds")]) from None
        except BaseException:  # a greenlet was ended: what comes next out of this pipe would be another's answer
            self.close()
            raise

    def close(self) -> None:
        self._child.close()


class Pool:
    """Up to PROCESSES helper processes, started when they are needed and again after they have ended."""

    def __init__(self) -> None:
        self._idle: list[Helper] = []
        self._calls = ChildLimit(PROCESSES, 1, WAIT_SECONDS, BUSY)

    def warm(self) -> None:
        self._idle.append(Helper())

    def call(self, function: str, kind_name: str, params: dict[str, Any], *, owner: str, **options: Any) -> Any:
        """The function's result as JSON, or its error raised here."""
        request = {"function": function, "kind": kind_name, "params": params, "owner": owner, "options": options}
        line = json.dumps(request, default=str).encode() + b"\n"
        with self._calls.place(owner), child_limit.place():
            for _ in range(2):  # an idle process may have ended meanwhile
                child = self._take()
                if said := child.answer(line):
                    self._idle.append(child)
                    return _result(json.loads(said))
                child.close()
        raise Transient("The form could not be checked. Try again in a moment.")

    def _take(self) -> Helper:
        with suppress(IndexError):
            return self._idle.pop()
        return Helper()


_pool: Pool | None = None


def _too_costly(why: str) -> FieldError:
    return FieldError("", f"Checking this form {why}. Try a shorter text, fewer columns, or a smaller file.")


def _result(said: dict[str, Any]) -> Any:
    """The result, or the error raised as it was in the helper."""
    match said.get("error"):
        case None:
            return said["result"]
        case "fault":
            raise RuntimeError(said["message"])
        case "InvalidParams":
            raise InvalidParams([FieldError(**one) for one in said["errors"]])
        case name:
            error: LegworkError = getattr(errors, name)(said["message"])
            error.reason = said["reason"]
            raise error


def serve() -> None:
    """The helper's side: answer requests until there are no more, or the parent is gone."""
    die_with_parent(os.getppid())
    call_process("legwork-form")
    forbid_tracing()
    rlimits.lower(resource.RLIMIT_DATA, MEMORY_BYTES)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a kind prints is no answer
    catalogue.kinds()
    answers.write(b"ready\n")
    answers.flush()
    for line in requests:
        answers.write(jsonsafe.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    function = _FUNCTIONS[request["function"]]
    try:
        return {"result": function(request["kind"], request["params"], owner=request["owner"], **request["options"])}
    except InvalidParams as error:
        return {"error": "InvalidParams", "errors": [asdict(one) for one in error.errors]}
    except LegworkError as error:
        known = next(one.__name__ for one in type(error).__mro__ if getattr(errors, one.__name__, None) is one)
        return {"error": known, "message": error.message, "reason": error.reason}
    except MemoryError:
        return {"error": "InvalidParams", "errors": [asdict(_too_costly("needs more memory than it may have"))]}
    except Exception:  # the process that asked logs it and answers with 500
        return {"error": "fault", "message": traceback.format_exc()}


def _validate(*asked: Any, **options: Any) -> dict[str, Any]:
    found = checks.validate(*asked, **options)
    about = asdict(found.estimate) if found.estimate else None
    return {"json": found.json, "label": found.label, "estimate": about}


def _estimate(*asked: Any, **options: Any) -> dict[str, Any] | None:
    found = estimates.estimate(*asked, **options)
    return asdict(found) if found else None


def _preview(kind_name: str, params: dict[str, Any], *, owner: str, place: int) -> dict[str, Any] | None:
    return estimates.preview(kind_name, params, place, owner=owner)


def _questions(kind_name: str, params: dict[str, Any], *, owner: str, rows: int) -> list[dict[str, Any]]:
    return [asdict(one) for one in estimates.questions(kind_name, params, rows, owner=owner)]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "validate": _validate, "estimate": _estimate, "choices": estimates.choices, "preview": _preview, "questions": _questions,
}  # fmt: skip
