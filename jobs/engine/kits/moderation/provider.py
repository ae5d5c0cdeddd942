"""The moderation endpoint of an OpenAI-compatible provider, by the engine's client with its retries and shared limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.engine.llm import client as llm_client
from jobs.engine.llm.provider_errors import NoAnswer

MODEL = "omni-moderation-latest"
PATH = "moderations"
BATCH_URL = "/v1/moderations"
AT_ONCE = 32  # passages a request
MOST_CATEGORIES = 100

Scores = dict[str, float]


async def ask(client: llm_client.Chat, model: str, texts: Sequence[str], per_minute: int | None = None) -> list[Scores]:
    """The scores of each text, in as many requests as necessary."""
    found: list[Scores] = []
    for body in requests(model, texts):
        found += await client.post(PATH, body, parse, per_minute)
    return found


def requests(model: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The bodies of the requests that these texts take."""
    return [{"model": model, "input": list(texts[start : start + AT_ONCE])} for start in range(0, len(texts), AT_ONCE)]


def parse(raw: bytes, body: Mapping[str, Any], seconds: float) -> list[Scores]:
    """The scores in a body with status 200, one set for each text. Raises NoAnswer if they are incomplete.

    Only the JSON structure is used, so no text can influence the parsing.
    """
    try:
        results = [_scores(one["category_scores"]) for one in json.loads(raw)["results"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoAnswer("The provider's reply has no moderation scores") from error
    if len(results) != len(body["input"]):
        raise NoAnswer("The provider judged another number of texts than it was sent")
    return results


def _scores(given: Any) -> Scores:
    scores = {str(name)[:80]: float(score) for name, score in given.items() if not isinstance(score, bool | str)}
    fine = all(math.isfinite(score) and 0 <= score <= 1 for score in scores.values())
    if not fine or len(scores) != len(given) or not 0 < len(scores) <= MOST_CATEGORIES:
        raise ValueError
    return {name: round(score, 4) for name, score in scores.items()}
