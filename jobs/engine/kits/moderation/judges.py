"""Judges, which score texts. One is chosen for a job.

async with judge(choice) as chosen:
    judged = await chosen.of("You are a fool.")      # scores, and the passages that caused them
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, fields, replace
from types import TracebackType
from typing import Any, Literal, Self

from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient
from jobs.engine.formats import language
from jobs.engine.jsonsafe import clean_text
from jobs.engine.kits.moderation import english, provider
from jobs.engine.kits.moderation import passages as moderation_passages
from jobs.engine.kits.moderation import thresholds as limits
from jobs.engine.kits.moderation.classifier import built_in_classifier, readable
from jobs.engine.kits.moderation.thresholds import OwnWord
from jobs.engine.llm import embeddings, router
from jobs.engine.llm.batch_answers import BatchChat
from jobs.engine.llm.client import Chat
from jobs.engine.llm.embeddings import batching, builtin

Who = Literal["auto", "provider", "built_in"]

BUILT_IN = "built_in"
MOST_CHARACTERS = 200_000  # of a text
SENTENCE = (40, 300)  # minimum and maximum characters of a passage for the classifier, which was trained on sentences
AROUND = 20  # passages whose words the classifier looks at together
PASSAGE = (2_000, 2_000)  # the same for a provider
WORTH_SHOWING = 0.05  # scores below have no passage
PROBE = "The shop opens at nine."
PROBE_SECONDS = 10.0  # timeout of a request


@dataclass(frozen=True)
class JudgeChoice:
    """The judge of a job. why: a sentence on how it was chosen, if the params did not name it."""

    who: str
    model: str
    why: str = ""

    @property
    def built_in(self) -> bool:
        return self.who == BUILT_IN

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> JudgeChoice:
        """Also of another version, which may lack a field or have another one."""
        known = {one.name for one in fields(cls)}
        return cls(**({"who": BUILT_IN, "model": builtin.MODEL} | {name: value[name] for name in known & value.keys()}))


@dataclass(frozen=True)
class Judged:
    """scores: by category. passages: by category, the passage with the highest score, if the text has several."""

    scores: dict[str, float]
    passages: dict[str, str]


def setup_error(who: Who) -> str | None:
    """Why this judge cannot be used here, as a sentence; None if it can."""
    if who == "provider" and not embeddings.has_provider():
        return (
            "No provider for moderation is set. Set OPENAI_BASE_URL or OPENAI_API_KEY, or use the built-in classifier."
        )
    return None


def choose(who: Who, model: str = "") -> JudgeChoice:
    """The judge for a job. `auto` sends the provider one request to see if it moderates; no answer does not exclude it."""
    if who == BUILT_IN:
        return JudgeChoice(BUILT_IN, builtin.MODEL)
    there = JudgeChoice("provider", model or provider.MODEL)
    if who == "provider" or model:
        return there
    if not embeddings.has_provider():
        return JudgeChoice(BUILT_IN, builtin.MODEL, "No provider is set, so the built-in classifier is used.")
    try:
        asyncio.run(_probe(there.model))
    except Transient as error:
        return JudgeChoice("provider", there.model, f"The provider did not answer at once: {error.message}")
    except (JobFailed, BadInput) as error:
        if error.reason not in ("no_model", "provider_refused"):
            raise
        return JudgeChoice(BUILT_IN, builtin.MODEL, f"The built-in classifier is used. {error.message}")
    return there


def judge(
    chosen: JudgeChoice, per_minute: int | None = None, at_once: int = 32, answers: BatchChat | None = None
) -> Judge:
    """answers: of a batch of the provider, which are read instead of asking it."""
    return _BuiltIn(at_once) if chosen.built_in else _Provider(chosen.model, per_minute, answers)


def provider_requests(chosen: JudgeChoice, text: str) -> list[dict[str, Any]]:
    """The bodies by which the provider judges a text. Raises BadInput for one that is too long."""
    return provider.requests(chosen.model, _pieces(text, PASSAGE))


class Judge:
    """For one event loop."""

    size: tuple[int, int]

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def of(self, text: str) -> Judged:
        """Judge one text. BadInput, Transient: this text was not judged. JobFailed: none can be."""
        pieces = _pieces(text, self.size)
        try:
            found = await self._scores(pieces)
        except JobFailed:
            raise
        except LegworkError as error:
            raise type(error)(f"Not judged: {error.message}", reason=error.reason) from error
        return _highest(pieces, found)

    async def _scores(self, pieces: Sequence[str]) -> list[dict[str, float]]:
        raise NotImplementedError


class _BuiltIn(Judge):
    size = SENTENCE

    def __init__(self, at_once: int):
        self._vectors = batching.Vectors(builtin.MODEL, at_once)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._open.enter_async_context(self._vectors)
        return self

    async def _scores(self, pieces: Sequence[str]) -> list[dict[str, float]]:
        if not readable("".join(pieces)):
            raise BadInput(
                "The built-in classifier reads English, and this is in another script.", reason="other_script"
            )
        if any(language.is_not(piece, "en") for piece in pieces if len(piece) >= SENTENCE[0] or len(pieces) == 1):
            raise BadInput(
                "The built-in classifier reads English, and this is in another language.", reason="other_language"
            )
        if english.is_unknown(" ".join(pieces)):
            raise BadInput(
                "The built-in classifier reads English, and the language of this text is not known: none of its words is English.",
                reason="language_not_known",
            )
        made = await asyncio.gather(*(self._vectors.of(piece) for piece in pieces))
        around = [" ".join(pieces[start : start + AROUND]) for start in range(0, len(pieces), AROUND)]
        return [built_in_classifier().scores(one.numbers, around[at // AROUND]) for at, one in enumerate(made)]


class _Provider(Judge):
    size = PASSAGE

    def __init__(self, model: str, per_minute: int | None, answers: BatchChat | None):
        self._model = model
        self._per_minute = per_minute
        self._answers = answers

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._client: Chat = await self._open.enter_async_context(self._answers or router.open_client())
        return self

    async def _scores(self, pieces: Sequence[str]) -> list[dict[str, float]]:
        return await provider.ask(self._client, self._model, pieces, self._per_minute)


def _pieces(text: str, size: tuple[int, int]) -> list[str]:
    plain = unicodedata.normalize("NFKC", clean_text(text))
    if len(plain) > MOST_CHARACTERS:
        why = f"it has {len(plain):,} characters, and the limit is {MOST_CHARACTERS:,}. Split it into parts."
        raise BadInput(f"Not judged: {why}", reason="too_long")
    return moderation_passages.cut(plain, *size)


async def judged(text: str, court: Judge, found: OwnWord | None) -> Judged:
    """The scores of a text. None where a word of a list blocks it, or where it has one and cannot be scored."""
    unscored = Judged({}, {})
    if found and found.verdict == "block":
        return unscored
    try:
        return await court.of(text)
    except BadInput:
        if found:
            return unscored
        raise


def columns(judged: Judged, thresholds: limits.Thresholds, found: OwnWord | None) -> dict[str, Any]:
    """The columns of a judged item."""
    made = limits.decide(judged.scores, thresholds, found).columns() | {"scores": judged.scores}
    made |= {"word": found.word, "word_verdict": found.verdict} if found else {}
    return made | ({"passages": judged.passages} if judged.passages else {})


def _highest(pieces: Sequence[str], found: Sequence[dict[str, float]]) -> Judged:
    """Each category's highest score of all passages, in alphabetical order."""
    best: dict[str, tuple[float, int]] = {}
    for place, scores in enumerate(found):
        for name, score in scores.items():
            if name not in best or score > best[name][0]:
                best[name] = (score, place)
    scores = {name: best[name][0] for name in sorted(best)}
    if len(pieces) == 1:
        return Judged(scores, {})
    return Judged(scores, {name: pieces[best[name][1]] for name, score in scores.items() if score >= WORTH_SHOWING})


async def _probe(model: str) -> None:
    async with replace(router.open_client(), answer_seconds=PROBE_SECONDS) as client:
        await provider.ask(client, model, [PROBE])
