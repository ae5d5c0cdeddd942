"""Moderation of texts: scores by category, and verdicts from the scores.

A judge gives each text a score from 0 to 1 for each category; thresholds turn the scores into a verdict. Changed thresholds
need no new scores. The judge is the provider's moderation endpoint, or else a small built-in classifier.
"""

from __future__ import annotations

from jobs.engine.kits.moderation.classifier import built_in_classifier
from jobs.engine.kits.moderation.examples import label_error
from jobs.engine.kits.moderation.judges import (
    BUILT_IN,
    Judge,
    JudgeChoice,
    Judged,
    choose,
    columns,
    judge,
    judged,
    provider_requests,
    setup_error,
)
from jobs.engine.kits.moderation.pages import job_page, score_distribution
from jobs.engine.kits.moderation.provider import BATCH_URL
from jobs.engine.kits.moderation.reviews import (
    ReviewStatus,
    decide_item,
    decided,
    figures,
    fit_thresholds,
    in_force,
    list_decisions,
    review_status,
    set_thresholds,
    threshold_changes,
    undo_decision,
)
from jobs.engine.kits.moderation.thresholds import (
    CATEGORY_WORDS,
    DEFAULT,
    OWN_WORDS,
    SEVERITY_WORDS,
    VERDICT_WORDS,
    VERDICTS,
    OwnWord,
    Threshold,
    Verdict,
    decide,
    named,
    severity_of,
    threshold_errors,
)
from jobs.engine.kits.moderation.training import BLOCK, REVIEW
from jobs.engine.kits.moderation.words import MOST_WORDS, WordLists, error_in

__all__ = [
    "BATCH_URL",
    "BLOCK",
    "BUILT_IN",
    "CATEGORY_WORDS",
    "DEFAULT",
    "MOST_WORDS",
    "OWN_WORDS",
    "REVIEW",
    "SEVERITY_WORDS",
    "VERDICTS",
    "VERDICT_WORDS",
    "Judge",
    "JudgeChoice",
    "Judged",
    "OwnWord",
    "ReviewStatus",
    "Threshold",
    "Verdict",
    "WordLists",
    "built_in_classifier",
    "choose",
    "columns",
    "decide",
    "decide_item",
    "decided",
    "error_in",
    "figures",
    "fit_thresholds",
    "in_force",
    "job_page",
    "judge",
    "judged",
    "label_error",
    "list_decisions",
    "named",
    "provider_requests",
    "review_status",
    "score_distribution",
    "set_thresholds",
    "setup_error",
    "severity_of",
    "threshold_changes",
    "threshold_errors",
    "undo_decision",
]
