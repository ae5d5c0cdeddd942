"""The gate before the tools: calls of some of them wait for a person's yes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from jobs.engine.errors import ApprovalNeeded, ApprovalQuestion
from jobs.engine.queue import approvals


class ApprovalGate:
    """`look` before calls are made, `refusal` for each of them."""

    def __init__(self, job_id: UUID, tools: Collection[str], hours: int) -> None:
        self._job_id, self._tools, self._hours = job_id, tools, hours
        self._answers: dict[str, approvals.ApprovalAnswer] = {}

    def look(self, calls: Sequence[dict[str, Any]]) -> None:
        """Raise ApprovalNeeded where a person has not answered to one of these calls, and may still do so."""
        asked = [
            ApprovalQuestion(call["id"], call["name"], call["args"]) for call in calls if call["name"] in self._tools
        ]
        if not asked:
            return
        self._answers = approvals.answers(self._job_id)
        open_ = [question for question in asked if self._is_open(question.call)]
        if open_:
            raise ApprovalNeeded(open_, self._hours)

    def refusal(self, call: dict[str, Any]) -> str | None:
        """What the model reads instead of a result; None where the call may be made."""
        if call["name"] not in self._tools:
            return None
        answer = self._answers.get(call["id"])
        if answer is not None and answer.approved:
            return None
        if answer is None or answer.expired:
            return f"Nobody answered within {self._hours} h whether this call may be made, so it was not. Go on without it."
        why = f" The reason: {answer.reason}" if answer.reason else ""
        return f"A person refused this call, and it was not made.{why} Go on without it."

    def _is_open(self, call: str) -> bool:
        answer = self._answers.get(call)
        return answer is None or (answer.approved is None and not answer.expired)
