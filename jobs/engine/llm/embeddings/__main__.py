"""The child of warm.py: `python -m jobs.engine.llm.embeddings` reads `{"model", "texts"}` a line and answers `{"vectors"}`."""

from __future__ import annotations

import json
import select
import sys

from jobs.engine.errors import LegworkError
from jobs.engine.llm.embeddings.models import embedder
from jobs.engine.llm.embeddings.warm_child import IDLE_SECONDS
from jobs.engine.sandbox.parent_death import forbid_tracing


def main() -> None:
    forbid_tracing()
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        asked = json.loads(line)
        try:
            answer: object = {"vectors": embedder(asked["model"]).embed(asked["texts"])}
        except LegworkError as error:
            answer = {"error": error.message}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
