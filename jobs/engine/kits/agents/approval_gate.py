"""Approval of tool calls: calls of chosen tools wait until a person approves or refuses them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from jobs.engine.errors import ApprovalNeeded, ApprovalQuestion
from jobs.engine.queue import approvals


class ApprovalGate:
    """Call `look` before a set of calls, and `refusal` for each call."""

    def __init__(self, job_id: UUID, tools: Collection[str], hours: int) -> None:
        self._job_id, self._tools, self._hours = job_id, tools, hours
        self._answers: dict[str, approvals.ApprovalAnswer] = {}

    def look(self, calls: Sequence[dict[str, Any]]) -> None:
        """Raise ApprovalNeeded if one of these calls has no decision yet and its time to decide is not over."""
        questions = [
            ApprovalQuestion(call["id"], call["name"], call["args"]) for call in calls if call["name"] in self._tools
        ]
        if not questions:
            return
        self._answers = approvals.answers(self._job_id)
        open_ = [question for question in questions if self._is_open(question.call)]
        if open_:
            raise ApprovalNeeded(open_, self._hours)

    def refusal(self, call: dict[str, Any]) -> str | None:
        """The text that the model gets instead of a result; None if the call is allowed."""
        if call["name"] not in self._tools:
            return None
        answer = self._answers.get(call["id"])
        if answer is not None and answer.approved:
            return None
        if answer is None or answer.expired:
            return f"Nobody approved this call within {self._hours} h, so it was not made. Go on without it."
        why = f" The reason: {answer.reason}" if answer.reason else ""
        return f"A person refused this call, and it was not made.{why} Go on without it."

    def _is_open(self, call: str) -> bool:
        answer = self._answers.get(call)
        return answer is None or (answer.approved is None and not answer.expired)
