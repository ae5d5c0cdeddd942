"""Embeddings for a process that must stay light, such as a web process: a child has the model loaded and answers over a pipe.

It is started at the first question, takes one at a time, and ends with its parent or when nobody has asked for a while.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import weakref
from functools import cache
from typing import Any

from jobs.engine import settings
from jobs.engine.errors import Transient
from jobs.engine.llm.embeddings import models
from jobs.engine.sandbox.spawn import PipedChild

ANSWER_SECONDS = 20.0
IDLE_SECONDS = 900.0


def embed(texts: list[str], model: str = "") -> list[list[float]]:
    """A vector of length 1 for each text. Raises JobFailed for a model that is not there, Transient where none answers."""
    return _home().ask(models.embedder(model).model, texts)


def nearest(text: str, model: str, packed: list[bytes], most: int) -> list[tuple[int, float]]:
    """The places of the vectors that are most like a text, with their cosine. The child compares. Raises as `embed` does."""
    sent = [base64.b64encode(one).decode() for one in packed]
    answer = _home().ask(models.embedder(model).model, [text], among=sent, most=most)
    return [(int(place), likeness) for place, likeness in answer]


class EmbeddingProcess:
    """The child, started anew when it has ended."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: PipedChild | None = None

    def ask(self, model: str, texts: list[str], **more: Any) -> list[list[float]]:
        line = json.dumps({"model": model, "texts": texts, **more}).encode() + b"\n"
        with self._turn:
            try:
                return self._answer(line)
            except BrokenPipeError:  # it had ended, most likely for want of questions
                self._end()
            try:
                return self._answer(line)
            except BrokenPipeError:
                self._end()
                raise _silent() from None

    def _answer(self, line: bytes) -> list[list[float]]:
        child = self._running()
        child.send(line)
        try:
            answer = child.line(ANSWER_SECONDS)
        except TimeoutError:
            self._end()
            raise _silent() from None
        if not answer:
            raise BrokenPipeError
        said: dict[str, Any] = json.loads(answer)
        if "error" in said:
            raise Transient(said["error"], reason="no_embedding")
        vectors: list[list[float]] = said["vectors"]
        return vectors

    def _running(self) -> PipedChild:
        if self._child is None:
            self._child = PipedChild("jobs.engine.llm.embeddings", environ=_provider())
            weakref.finalize(self, self._child.close)
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _provider() -> dict[str, str]:
    """What the child must know of the settings to ask the provider."""
    current = settings.current()
    return {
        "OPENAI_BASE_URL": current.openai_base_url,
        "OPENAI_API_KEY": current.openai_api_key,
        "EMBEDDING_MODEL": current.embedding_model,
        "REDIS_URL": current.redis_url,
        "REDIS_TLS": current.redis_tls,
        "LEGWORK_BUILT_IN": ",".join(current.built_in),
    }


def _silent() -> Transient:
    return Transient("The embedding model does not answer. Try again in a moment.", reason="no_embedding")


@cache
def _home() -> EmbeddingProcess:
    return EmbeddingProcess()


def _forget_after_fork() -> None:
    """The child belongs to the process that started it: it must not be ended, nor asked, from a fork."""
    if _home.cache_info().currsize:
        _kept.append(_home())
        _home.cache_clear()


_kept: list[EmbeddingProcess] = []
os.register_at_fork(after_in_child=_forget_after_fork)
