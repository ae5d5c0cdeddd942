"""Answers to the first rows of a table, streamed to the one who tries a form out. They are kept nowhere and make no job:
whoever stops reading ends them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jobs.engine.accounts import spending
from jobs.engine.billing import NO_BILL, Bill
from jobs.engine.chat.live_text import LiveText
from jobs.engine.db.models import new_id
from jobs.engine.errors import DatabaseUnavailable, LegworkError, TooMany
from jobs.engine.kinds import form_process
from jobs.engine.kinds.definition import TrialPrompt
from jobs.engine.llm import budget, router
from jobs.engine.llm.cost_estimate import TriedRow, bill_of, expected_cost, rates_of
from jobs.engine.llm.stream import Stream, StreamStopped

log = logging.getLogger(__name__)

MOST_OPEN = 4  # of one person in one process
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 600.0
LONGEST_TEXT = 100_000  # characters

_open: dict[str, int] = {}
_lock = threading.Lock()


@dataclass
class Trial:
    """One question, and its answer as it comes. `ended` says in a sentence why there is no more, where that is not plain."""

    question: TrialPrompt
    number: int
    live: LiveText
    owner: str
    ended: str = ""
    tokens: int = 0
    bill: Bill = NO_BILL
    seconds: float = 0.0
    first_seconds: float | None = None
    stream: Stream | None = None
    stopped: bool = False

    def pieces(self) -> Iterator[str]:
        """The text as it comes; empty pieces while nothing does."""
        seen = 0
        while not self.live.ended or self.live.length > seen:
            text = self.live.wait(seen, LOOK_SECONDS)
            seen += len(text)
            if not text and self.stream is not None:
                self.stream.end_silent()
            yield text

    def run(self) -> None:
        began = time.monotonic()
        try:
            self._ask(dict(self.question.body or {}), began)
        except StreamStopped:
            self.ended = "Stopped."
        except LegworkError as error:
            self.ended = error.message
        except Exception:
            log.exception("an answer on trial broke off")
            self.ended = "Something went wrong on our side; the log has the details."
        finally:
            self.seconds = time.monotonic() - began
            self._charge()
            self.live.end()
            if self.stream is not None:
                self.stream.release()

    def stop(self) -> None:
        self.stopped = True
        if self.stream is not None:
            self.stream.close()

    def _charge(self) -> None:
        if self.stream is not None and self.stream.answered:
            self.bill = bill_of(self.stream, self.tokens)
            with suppress(DatabaseUnavailable):
                spending.charge(self.owner, self.bill)

    def _ask(self, body: dict[str, Any], began: float) -> None:
        self.stream = router.stream_chat(body | {"stream": True, "stream_options": {"include_usage": True}})
        if self.stopped:
            raise StreamStopped
        self.stream.open()
        for text, tokens in self.stream.texts():
            self.tokens += tokens
            if text:
                self.first_seconds = self.first_seconds or time.monotonic() - began
                self.live.add(text, tokens)
            if self.live.length > LONGEST_TEXT or time.monotonic() - began > LONGEST_SECONDS:
                raise LegworkError("The answer was ended: it is longer than one may be.", reason="limit")
        self.tokens = self.stream.counted("completion_tokens") or self.tokens
        short = self.stream.ending(has_text=self.live.length > 0)
        self.ended = short[1] if short else ""


class TrialRun:
    """Some questions that are asked at the same time. `close` ends what is left of them; it has to be called once."""

    def __init__(self, questions: Sequence[TrialPrompt], owner: str) -> None:
        """Raises TooMany, and JobFailed without a provider."""
        self._owner = owner
        self._closed = False
        with _lock:
            if _open.get(owner, 0) >= MOST_OPEN:
                raise TooMany(
                    f"{MOST_OPEN} forms are being tried out for you already. Wait for one to end, then try again."
                )
            _open[owner] = _open.get(owner, 0) + 1
        self.rows = [
            Trial(question, number, LiveText(new_id(), 0, ""), owner) for number, question in enumerate(questions, 1)
        ]
        for row in self.rows:
            if row.question.body is None:
                row.ended = row.question.trouble
                row.live.end()
            else:
                threading.Thread(target=row.run, name=f"answer on trial {row.number}", daemon=True).start()

    def expected_cost(self, items: int | None, request_bytes: int | None) -> tuple[Decimal, Decimal] | None:
        """From what to what so many items will cost, by the answers that came; None where a price is not known."""
        done = [
            row for row in self.rows if row.question.body and row.stream and row.bill.cost is not None and not row.ended
        ]
        if not done or not items or not request_bytes or done[0].stream is None:
            return None
        rates = rates_of(done[0].stream)
        tried = [TriedRow(budget.request_bytes(row.question.body or {}), row.bill.usage) for row in done]
        return expected_cost(tried, rates, items, request_bytes) if rates else None

    def close(self) -> None:
        with _lock:
            if self._closed:
                return
            self._closed = True
            _open[self._owner] -= 1
            if not _open[self._owner]:
                del _open[self._owner]
        for row in self.rows:
            row.stop()


def try_out(kind_name: str, params: dict[str, Any], rows: int, *, owner: str) -> TrialRun:
    """Ask the model about the first rows, without a job. Raises what validate raises, BadInput, TooMany."""
    spending.check_allowance(owner)
    return TrialRun(form_process.questions(kind_name, params, rows, owner=owner), owner)
