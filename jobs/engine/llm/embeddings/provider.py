"""Embeddings of a provider that speaks OpenAI's wire format, by the chat model's client: same retries, same shared limits."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jobs.engine.llm import client as llm_client
from jobs.engine.llm import router
from jobs.engine.llm.embeddings.builtin import Embedded
from jobs.engine.llm.provider_errors import NoAnswer

PATH = "embeddings"
BATCH = 64
MOST_CHARACTERS = 300_000  # of a request; the usual limit is 300,000 tokens


def embed(model: str, texts: Sequence[str]) -> Embedded:
    """In an event loop of its own, for callers that have none."""

    async def all_of_them() -> Embedded:
        async with router.open_client() as client:
            return joined([await ask(client, model, some) for some in batches(texts)])

    return asyncio.run(all_of_them())


async def ask(client: llm_client.Chat, model: str, texts: Sequence[str]) -> Embedded:
    """One request."""
    return await client.post(PATH, request(model, texts), parse)


def request(model: str, texts: Sequence[str]) -> dict[str, Any]:
    return {"model": model, "input": list(texts)}


def batches(texts: Sequence[str]) -> list[Sequence[str]]:
    """As few requests as the limits allow."""
    some: list[Sequence[str]] = []
    start = size = 0
    for place, text in enumerate(texts):
        if place - start == BATCH or (size + len(text) > MOST_CHARACTERS and place > start):
            some.append(texts[start:place])
            start, size = place, 0
        size += len(text)
    return [*some, texts[start:]] if len(texts) > start else some


def joined(parts: Sequence[Embedded]) -> Embedded:
    return Embedded(*([one for part in parts for one in getattr(part, name)] for name in ("vectors", "tokens", "cut")))


def parse(raw: bytes, body: Mapping[str, Any], seconds: float) -> Embedded:
    """The vectors in a body with status 200, in the order of the texts. Raises NoAnswer where they are not all there."""
    texts = body["input"]
    try:
        found = json.loads(raw)
        rows = sorted(found["data"], key=lambda row: row["index"])
        vectors = [[float(number) for number in row["embedding"]] for row in rows]
        whole = [row["index"] for row in rows] == list(range(len(texts))) and len({len(one) for one in vectors}) == 1
        fine = whole and all(vector and all(map(math.isfinite, vector)) for vector in vectors)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise NoAnswer("The provider sent something that is not embeddings") from error
    if not fine:
        raise NoAnswer("The provider sent other embeddings than it was asked for")
    return Embedded(vectors, _shares(found.get("usage"), texts), [False] * len(texts))


def _shares(usage: Any, texts: Sequence[str]) -> list[int]:
    """The tokens of each text: its share, by length, of what the provider counted; else about four characters each."""
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if not isinstance(total, int) or total < len(texts):
        return [len(text) // 4 + 1 for text in texts]
    ends, seen, characters = [0], 0, sum(map(len, texts)) or 1
    for text in texts:
        seen += len(text)
        ends.append(round(total * seen / characters))
    return [after - before for before, after in pairwise(ends)]
