"""Judging texts: scores by category, and what follows from them.

A judge gives each text a score from 0 to 1 for each category; thresholds turn scores into a verdict. The two are kept apart,
so that other thresholds need no second judging. The judge is the provider's moderation endpoint where one is set and has
one, else a small classifier that comes along.
"""

from __future__ import annotations

from jobs.engine.kits.moderation.judges import BUILT_IN, JudgeChoice, Judged, choose, judge, setup_error
from jobs.engine.kits.moderation.thresholds import DEFAULT, VERDICTS, Threshold, Verdict, decide, threshold_errors

__all__ = ["BUILT_IN", "DEFAULT", "VERDICTS", "JudgeChoice", "Judged", "Threshold", "Verdict"]
__all__ += ["choose", "decide", "judge", "setup_error", "threshold_errors"]
