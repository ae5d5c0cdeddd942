"""The language model: any server that speaks OpenAI's chat completions.

    async with llm.open_client() as model:
        answer = await model.complete([{"role": "user", "content": "Hello"}], max_tokens=60)

A client belongs to one event loop and is made after the fork. It posts with aiohttp and reads the JSON itself: for many
calls at a time that takes a sixth of the processor time of the provider's own package.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from jobs.engine import settings
from jobs.engine.billing import NO_BILL, Bill
from jobs.engine.db.rate_limit import RateLimiter
from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.llm import anthropic_wire, connections, model_list, prices, provider_errors, responses, strict_schema
from jobs.engine.llm import json_schema as llm_json_schema
from jobs.engine.llm.budget import most_usage
from jobs.engine.llm.model_list import base_url, default_model
from jobs.engine.llm.prices import Rates
from jobs.engine.llm.provider_errors import Unwell
from jobs.engine.llm.providers import Connection
from jobs.engine.llm.responses import Completion

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
BUILT_IN_SECONDS = 600.0  # this machine's processor answers everybody in turn
FIRST_SECONDS = 120.0  # of a streamed answer: until its first byte,
SILENCE_SECONDS = 60.0  # and between two of its tokens
TRIES = 4
LONGEST_PAUSE = 600.0  # a provider that asks for more at once is given up for now,
LONGEST_WAIT = 3600.0  # and so is one that asks again and again

Answer = TypeVar("Answer")
Parse = Callable[[bytes, Mapping[str, Any], float], Answer]
MayPay = Callable[[], Awaitable[bool]]  # whether one more try still fits into the budget


@dataclass(frozen=True)
class ModelInfo:
    """What answers here: the default model's name, whether it is the one that comes along, and the provider's host."""

    name: str
    built_in: bool
    host: str


def describe() -> ModelInfo:
    return ModelInfo(default_model(), "model" in settings.current().built_in, urlsplit(base_url()).hostname or "")


@dataclass
class Chat:
    """One provider. answer_seconds: for a whole answer, however it drips. backoff: the first wait between tries."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    redis_url: str = field(default="", repr=False)
    answer_seconds: float = ANSWER_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    backoff: float = 0.5
    connection: Connection | None = field(default=None, repr=False)  # where it has a name

    async def __aenter__(self) -> Self:
        import aiohttp

        self._limits = RateLimiter(self.redis_url)
        self._newer_names: set[str] = set()  # models that know the limit of tokens as max_completion_tokens only
        self._loose: set[str] = set()  # models that refused a schema in strict mode
        self._session = aiohttp.ClientSession(
            connector=connections.connector(self.connection is not None and self.connection.checked),
            timeout=aiohttp.ClientTimeout(total=self.answer_seconds, sock_connect=self.connect_seconds),
            headers=self._headers(),
            proxy=None
            if self.connection and self.connection.checked
            else proxy_of(self.base_url),  # found once: the library would look, in a thread, at each call
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._limits.close()

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "",
        max_tokens: int | None = None,
        temperature: float | None = None,
        json_schema: Mapping[str, Any] | None = None,
        requests_per_minute: int | None = None,
    ) -> Completion:
        """One answer. With `json_schema` its text is JSON that fits the schema.

        `requests_per_minute` is shared by all workers that call the same model. Raises Transient (away, slow or busy,
        after trying again), BadInput (this request is refused) or JobFailed (no request can succeed).
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
        }
        if json_schema is not None:
            body["response_format"] = strict_schema.response_format(json_schema)
        return await self.send({name: value for name, value in body.items() if value is not None}, requests_per_minute)

    async def send(
        self, body: Mapping[str, Any], requests_per_minute: int | None = None, again: MayPay | None = None
    ) -> Completion:
        """One answer to a request body as the provider takes it; an empty model is the default one.

        again: asked before a second try after one that was paid.
        """
        body = {**body, "model": body.get("model") or self.model, "stream": False}
        schema = responses.schema_of(body)
        if schema is None:
            return await self._tried(body, requests_per_minute, again)
        if wrong := llm_json_schema.schema_error(schema):
            raise BadInput(wrong)
        return await self._fitting(body, schema, requests_per_minute, again)

    async def _fitting(
        self, body: dict[str, Any], schema: dict[str, Any], per_minute: int | None, again: MayPay | None
    ) -> Completion:
        """An answer that fits the schema, asked for once more if the first does not."""
        first = replace(answer := await self._tried(body, per_minute, again), text=responses.json_of(answer.text))
        if answer.unwilling:
            return answer
        if llm_json_schema.mismatch(first.text, schema) is None:
            return first
        if answer.cut_off:
            said = f"The answer was cut off at {answer.completion_tokens} tokens, before its JSON ended."
            raise responses.InvalidAnswer(said, answer)
        with provider_errors.paid_before(answer.bill):
            second = await self._tried(body, per_minute, again)
        second = second.after(answer.bill, answer.seconds)
        if second.unwilling:
            return second
        second = replace(second, text=responses.json_of(second.text))
        if misfit := llm_json_schema.mismatch(second.text, schema):
            raise responses.InvalidAnswer(f"The model's answer does not fit the JSON schema, twice: {misfit}", second)
        return second

    async def _tried(self, body: dict[str, Any], per_minute: int | None, again: MayPay | None) -> Completion:
        return await self._post("chat/completions", body, responses.parse, per_minute, again)

    async def post(
        self, path: str, body: dict[str, Any], parse: Parse[Answer], requests_per_minute: int | None = None
    ) -> Answer:
        """Post anything but a chat, as `_post` does."""
        return await self._post(path, body, parse, requests_per_minute)

    async def _post(
        self,
        path: str,
        body: dict[str, Any],
        parse: Parse[Answer],
        requests_per_minute: int | None = None,
        again: MayPay | None = None,
    ) -> Answer:
        """Post until there is an answer, with the waits that the provider asks for or that double. Raises as `complete`.

        path: below the base URL. parse: takes the bytes of a 200, the body that was sent and the seconds it took.
        """
        name = f"{self.base_url} {body['model']}"
        failures, waits, waited, paid = 0, 0, 0.0, NO_BILL
        while True:
            if body["model"] in self._newer_names:
                body = provider_errors.renamed_limit(body)
            if body["model"] in self._loose:
                body = strict_schema.loosened(body) or body
            await self._limits.wait(name, requests_per_minute)
            try:
                with provider_errors.paid_before(paid):
                    answer = await self._once(path, body, parse)
                return cast(Answer, answer.after(paid)) if isinstance(answer, Completion) else answer
            except provider_errors.Busy as error:
                waits += 1
                pause = error.seconds or self._growing(waits)
                waited += pause
                if pause > LONGEST_PAUSE or waited > LONGEST_WAIT:
                    raise provider_errors.too_busy(error, pause, paid) from error
                await self._limits.pause(name, pause)
            except provider_errors.OtherLimitName:
                self._newer_names.add(body["model"])
            except _NotStrictHere:
                self._loose.add(body["model"])
            except Unwell as error:
                failures += 1
                paid += error.bill
                costs = error.bill.usage.tokens or error.bill.doubtful
                if failures == TRIES or (costs and again is not None and not await again()):
                    raise provider_errors.gave_up(error, failures, paid) from error
                await asyncio.sleep(self._growing(failures))

    async def _once(self, path: str, body: dict[str, Any], parse: Parse[Answer]) -> Answer:
        import aiohttp

        began = time.monotonic()
        where, sent = self._as_sent(path, body)
        try:
            async with self._session.post(
                f"{self.base_url.rstrip('/')}/{where}",
                data=json.dumps(sent).encode(),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                raw = await responses.read(response)
        except aiohttp.ConnectionTimeoutError as error:
            raise Unwell(f"The provider could not be reached within {self.connect_seconds:g} s", sent=False) from error
        except TimeoutError as error:
            raise Unwell(f"The model gave no answer within {self.answer_seconds:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise Unwell(f"The provider at {self._host} could not be reached", sent=False) from error
        except aiohttp.InvalidURL as error:
            raise JobFailed("OPENAI_BASE_URL is not an address that can be called.", reason="settings") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unwell("The connection to the provider broke") from error
        if response.status == 200:
            return self._read(raw, body, parse, time.monotonic() - began)
        raise await self._refused(path, response.status, response.headers, raw, body)

    def _read(self, raw: bytes, body: dict[str, Any], parse: Parse[Answer], seconds: float) -> Answer:
        """The answer in a body with status 200, or the error that stands there instead."""
        try:
            answer = parse(self._as_openai(raw), body, seconds)
            return (
                cast(Answer, replace(answer, bill=self._priced(body, answer.bill)))
                if isinstance(answer, Completion)
                else answer
            )
        except (responses.InvalidAnswer, Unwell) as error:
            error.bill = self._priced(body, error.bill)
            instead = isinstance(error, provider_errors.NoAnswer)
            if instead and (found := provider_errors.instead_of_answer(raw, self.api_key)) is not None:
                raise found from None
            raise

    def rates(self, model: str) -> Rates | None:
        """The price of a model here; None where none is known."""
        if self.connection is not None:
            return self.connection.rates(model)
        return prices.own_rates(model) or prices.public_rates(model, self.base_url)

    def most_cost(self, body: Mapping[str, Any]) -> Decimal | None:
        """The most that a request can cost; None where no price is known, or where its answer has no limit."""
        usage, rates = most_usage(body), self.rates(str(body.get("model") or self.model))
        return rates.most(usage) if rates and usage.completion else None

    def is_sent(self, body: Mapping[str, Any]) -> bool:
        """Whether this request is in a provider's batch, and its answer here."""
        return False

    @property
    def _other_wire(self) -> bool:
        return self.connection is not None and self.connection.kind == "anthropic"

    def _proxy(self) -> str | None:
        return None if self.connection is not None and self.connection.checked else proxy_of(self.base_url)

    def _headers(self) -> dict[str, str]:
        if self._other_wire:
            return anthropic_wire.headers(self.api_key)
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def _as_sent(self, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not self._other_wire:
            return path, body
        if path != "chat/completions":
            raise JobFailed(f"The provider at {self._host} has only chats; it was asked for {path}.", reason="no_model")
        return anthropic_wire.path(), anthropic_wire.request(body)

    def _as_openai(self, raw: bytes) -> bytes:
        """An answer as OpenAI's wire has it; as it came where it is none, for the error that stands there."""
        if not self._other_wire:
            return raw
        try:
            return json.dumps(anthropic_wire.answer(json.loads(raw))).encode()
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return raw

    def _priced(self, body: Mapping[str, Any], bill: Bill) -> Bill:
        rates = self.rates(str(body["model"])) if bill.usage.tokens else None
        return replace(bill, cost=rates.cost(bill.usage)) if rates else bill

    async def _refused(
        self, path: str, status: int, headers: Mapping[str, str], raw: bytes, body: dict[str, Any]
    ) -> Exception:
        """What an answer other than 200 means."""
        said, code = provider_errors.sentence_of(raw, self.api_key)
        if status == provider_errors.REFUSED and provider_errors.wants_other_limit_name(said, body):
            return provider_errors.OtherLimitName()
        if status == provider_errors.REFUSED and "schema" in said.lower() and strict_schema.loosened(body):
            return _NotStrictHere()
        found = provider_errors.meaning(status, headers, said, code)
        if isinstance(found, provider_errors.NotThere):
            return JobFailed(await self._not_there(path, status, body["model"]), reason="no_model")
        return found

    async def _not_there(self, path: str, status: int, model: str) -> str:
        offered = await asyncio.to_thread(model_list.listed, self.base_url, self.api_key)
        if offered and model not in offered:
            some = ", ".join(offered[:8]) + (", …" if len(offered) > 8 else "")
            return f"The provider at {self._host} has no model “{model}”. It offers: {some}."
        if self.connection is not None:
            said = f"has no model “{model}”, or no {path.replace('/', ' ')} at this address ({status})."
            return f"The provider at {self._host} {said}"
        where = f"The provider at {self._host} has no {path.replace('/', ' ')} at this address ({status})."
        return f"{where} Look at OPENAI_BASE_URL; it usually ends in /v1."

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url

    def _growing(self, failures: int) -> float:
        """Seconds to wait after so many failures: doubling, up to a minute, and never the same for two callers."""
        return float(min(60.0, self.backoff * 2 ** (failures - 1)) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


class _NotStrictHere(Exception):
    """The provider does not take this schema in strict mode."""


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this address, as every program here takes it."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
