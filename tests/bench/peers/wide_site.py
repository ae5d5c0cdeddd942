"""The site as it is, but that one person may have as many answers and streams as there are connections."""

from __future__ import annotations

from jobs.engine.chat import questions
from webapp.chat import sse
from webapp.openai_api import completions
from webapp.wsgi import app

questions.MOST_WRITING = 100_000
sse.MOST_OPEN = 100_000
completions.MOST_OPEN = 100_000

__all__ = ["app"]
