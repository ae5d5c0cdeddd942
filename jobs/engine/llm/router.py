"""Clients that ask `model@connection`, and where that cannot be reached its fallbacks, one after another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar

from jobs.engine import settings
from jobs.engine.billing import NO_BILL
from jobs.engine.errors import JobFailed, LegworkError, Transient
from jobs.engine.llm import client, model_list, providers
from jobs.engine.llm.budget import most_usage
from jobs.engine.llm.client import Chat, MayPay, Parse
from jobs.engine.llm.connections import Provider
from jobs.engine.llm.providers import DEFAULT, Connection, ModelTarget
from jobs.engine.llm.responses import Completion
from jobs.engine.llm.stream import Stream
from jobs.engine.sandbox import http

Answer = TypeVar("Answer")
DOWN = ("provider_refused_key", "provider_credit", "no_model")  # of JobFailed: a fallback may have what this one lacks


def open_client() -> Router:
    """A client for the default connection that knows the others. Raises JobFailed where no provider is set."""
    if (reason := providers.setup_error()) is not None:
        raise JobFailed(reason, reason="no_model")
    current = settings.current()
    seconds = client.BUILT_IN_SECONDS if "model" in current.built_in else client.ANSWER_SECONDS
    return Router(model_list.base_url(), current.openai_api_key, current.model, current.redis_url, seconds)


@dataclass
class Router(Chat):
    """The default connection's client; those of others are opened when they are first asked."""

    async def __aenter__(self) -> Self:
        self._others: dict[str, Chat] = {}
        self._open = AsyncExitStack()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()
        await super().__aexit__(kind, error, trace)

    async def send(
        self, body: Mapping[str, Any], requests_per_minute: int | None = None, again: MayPay | None = None
    ) -> Completion:
        async def ask(chat: Chat, model: str, per_minute: int | None) -> Completion:
            return await Chat.send(chat, {**body, "model": model}, per_minute, again)

        return await self._down_the_chain(str(body.get("model") or ""), requests_per_minute, ask, again)

    async def post(
        self, path: str, body: dict[str, Any], parse: Parse[Answer], requests_per_minute: int | None = None
    ) -> Answer:
        async def ask(chat: Chat, model: str, per_minute: int | None) -> Answer:
            return await Chat.post(chat, path, {**body, "model": model}, parse, per_minute)

        default = not providers.named() or "@" not in body["model"]  # names of embeddings are not in MODELS_ALLOWED
        if default:
            return await ask(self, body["model"], requests_per_minute)
        return await self._down_the_chain(body["model"], requests_per_minute, ask, None)

    def most_cost(self, body: Mapping[str, Any]) -> Decimal | None:
        """The most that a request can cost; None where no price is known, or where its answer has no limit."""
        usage = most_usage(body)
        found = [one.connection.rates(one.model) for one in self._chain(str(body.get("model") or ""))]
        known = [rates.most(usage) for rates in found if rates]
        return max(known) if usage.completion and len(known) == len(found) else None

    def _chain(self, name: str) -> list[ModelTarget]:
        return providers.chain(name or self.model)

    async def _down_the_chain(
        self,
        name: str,
        per_minute: int | None,
        ask: Callable[[Chat, str, int | None], Awaitable[Answer]],
        again: MayPay | None,
    ) -> Answer:
        paid, failed = NO_BILL, None
        for one in self._chain(name):
            if failed is not None and (paid.usage.tokens or paid.doubtful) and again is not None and not await again():
                break
            try:
                limits = [limit for limit in (per_minute, one.connection.requests_per_minute) if limit]
                answer = await ask(await self._at(one.connection), one.model, min(limits, default=None))
                return replace(answer, bill=paid + answer.bill) if isinstance(answer, Completion) and failed else answer
            except (Transient, JobFailed) as error:
                if not _is_down(error):
                    raise
                paid, failed = paid + error.bill, error
        assert failed is not None
        failed.bill = paid
        raise failed

    async def _at(self, connection: Connection) -> Chat:
        if connection.name == DEFAULT:
            return self
        if connection.name not in self._others:
            if connection.checked:
                http.check(connection.address)
            chat = Chat(
                connection.address,
                connection.key,
                next(iter(connection.models), ""),
                self.redis_url,
                self.answer_seconds,
                self.connect_seconds,
                self.backoff,
                connection,
            )
            self._others[connection.name] = await self._open.enter_async_context(chat)
        return self._others[connection.name]


def _is_down(error: LegworkError) -> bool:
    return isinstance(error, Transient) or error.reason in DOWN


# Streamed, for text that somebody waits for.


def stream_chat(body: Mapping[str, Any]) -> Stream:
    """A request for a streamed answer, not sent yet; an empty model is the default one. Raises JobFailed without a provider."""
    name = str(body.get("model") or "")
    if (reason := providers.setup_error()) is not None:
        raise JobFailed(reason, reason="no_model")
    whole = [_provider(one) for one in providers.chain(name)]
    return Stream(whole[0][0], {**body, "model": whole[0][1]}, whole[1:])


def _provider(one: ModelTarget) -> tuple[Provider, str]:
    connection = one.connection
    slow = connection.name == DEFAULT and "model" in settings.current().built_in
    if connection.checked:
        http.check(connection.address)
    return (
        Provider(
            connection.address,
            connection.key,
            client.BUILT_IN_SECONDS if slow else client.FIRST_SECONDS,
            client.SILENCE_SECONDS,
            None if connection.checked else client.proxy_of(connection.address),
            connection,
        ),
        one.model,
    )
