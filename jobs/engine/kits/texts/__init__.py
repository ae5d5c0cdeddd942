"""What a language model wrote for a row, as columns of that row."""

from __future__ import annotations

from jobs.engine.kits.texts.answer_columns import FINISH_REASONS, FLAGS, OWN_COLUMNS, AnswerColumns

__all__ = ["FINISH_REASONS", "FLAGS", "OWN_COLUMNS", "AnswerColumns"]
