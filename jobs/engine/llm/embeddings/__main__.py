"""The child of warm_child.py: `python -m jobs.engine.llm.embeddings` reads `{"model", "texts"}` a line, answers `{"vectors"}`.

With `among`, packed vectors, the answer is instead the places and likenesses of the `most` that are like the one text.
"""

from __future__ import annotations

import base64
import heapq
import json
import math
import select
import sys
from array import array
from operator import mul

from jobs.engine.errors import LegworkError
from jobs.engine.llm.embeddings.models import embedder
from jobs.engine.llm.embeddings.warm_child import IDLE_SECONDS
from jobs.engine.sandbox.parent_death import forbid_tracing


def main() -> None:
    forbid_tracing()
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        asked = json.loads(line)
        try:
            vectors = embedder(asked["model"]).embed(asked["texts"])
            if "among" in asked:
                vectors = _nearest(vectors[0], asked["among"], asked["most"])
            answer: object = {"vectors": vectors}
        except LegworkError as error:
            answer = {"error": error.message}
        print(json.dumps(answer), flush=True)


def _nearest(vector: list[float], among: list[str], most: int) -> list[list[float]]:
    likeness = []
    for place, packed in enumerate(among):
        numbers = array("f")
        numbers.frombytes(base64.b64decode(packed))
        length = math.sqrt(sum(map(mul, numbers, numbers))) or 1.0
        likeness.append([place, sum(map(mul, vector, numbers)) / length])
    return heapq.nlargest(most, likeness, key=lambda one: one[1])


if __name__ == "__main__":
    main()
