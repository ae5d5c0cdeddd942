"""The columns that an answer adds to its row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jobs.engine.llm import Completion

OWN_COLUMNS = ("tokens", "finish_reason", "flag", "reasoning", "error_cells")
REFUSED, FILTERED = "refused", "refused by the provider's content filter"
FINISH_REASONS = {
    "stop": "By itself",
    "length": "Cut off",
    "content_filter": "Filtered",
    "tool_calls": "With a tool call",
}
FLAGS = {REFUSED: "Refused", FILTERED: "Filtered by the provider"}  # the others say where an answer was cut off


@dataclass(frozen=True)
class AnswerColumns:
    """column: for the text. taken: the table's own columns. as_json: answers are JSON, whose simple values become columns."""

    column: str
    taken: list[str]
    as_json: bool

    def of(self, answer: Completion, error_cells: str | None = None) -> dict[str, Any]:
        """The text, the simple values of its JSON, and those of OWN_COLUMNS. error_cells: what was wrong in the row."""
        own: dict[str, Any] = {"tokens": answer.tokens, "finish_reason": answer.finish_reason}
        if answer.unwilling:
            own["flag"] = FILTERED if answer.filtered else REFUSED
        elif answer.cut_off:
            own["flag"] = f"cut off at {answer.completion_tokens} tokens"
        if answer.reasoning:
            own["reasoning"] = answer.reasoning
        if error_cells:
            own["error_cells"] = f"{error_cells} It was left empty in the prompt."
        values = json.loads(answer.text) if self.as_json and not answer.unwilling else {}
        simple = {name: value for name, value in values.items() if not isinstance(value, dict | list)}
        added = {self.free(name, OWN_COLUMNS): value for name, value in simple.items()}
        return {self.column: answer.text} | added | {self.free(name): own[name] for name in own}

    def free(self, name: str, more: tuple[str, ...] = ()) -> str:
        """The name of an added column, with the new column's name as a prefix if it exists already."""
        return f"{self.column}.{name}" if name == self.column or name in self.taken or name in more else name
