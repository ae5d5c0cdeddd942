"""Answers out of a provider's batches, and a client that gives them before it asks.

A request and its answer find each other by a digest of the request's body, which is also its `custom_id`. The index is a file,
so that a million answers take no more memory than ten.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from jobs.engine.billing import NO_BILL, Bill
from jobs.engine.errors import BadInput, BudgetSpent, LegworkError
from jobs.engine.llm import provider_errors
from jobs.engine.llm.budget import most_usage
from jobs.engine.llm.client import Answer, Chat, MayPay, Parse
from jobs.engine.llm.model_list import chosen_model, is_openai
from jobs.engine.llm.prices import BATCH_SHARE
from jobs.engine.llm.provider_errors import Unwell
from jobs.engine.llm.responses import Completion

DIGITS = 32
LIVE_STATUSES = (401, 403, 408, 409, 425, 429)  # of an error that another try may not have
NOT_SENT = "The limit in dollars left no room for more requests. What is done is kept."
NO_ROOM = "The answer in the batch cannot be read, and the limit in dollars leaves no room to ask again."
EXPIRED = "The provider did not come to this request within 24 hours."


def digest(body: Mapping[str, Any]) -> str:
    """The name of a request; `stream` does not count."""
    counted = {name: value for name, value in body.items() if name != "stream"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class FoundAnswer:
    """What the provider's file has for a request. body: the JSON of its answer or error."""

    status: int
    body: Any


class BatchAnswers:
    """The lines of downloaded files by the digest of their request. Each is given once: who asks again asks the model."""

    def __init__(self, folder: Path) -> None:
        self._index = sqlite3.connect(folder / "index", isolation_level=None, check_same_thread=False)
        self._index.executescript(
            "pragma journal_mode = off; pragma synchronous = off;"
            "create table lines (digest text, file text, place integer, taken integer default 0);"
        )

    def add(self, path: Path) -> None:
        """Index a downloaded file. Lines that are no JSON with a custom_id are passed over: their requests are asked again."""
        self._index.execute("begin")
        place = 0
        with path.open("rb") as opened:
            for line in opened:
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    name = str(json.loads(line)["custom_id"])[:DIGITS]
                    self._index.execute(
                        "insert into lines (digest, file, place) values (?, ?, ?)", (name, str(path), place)
                    )
                place += len(line)
        self._index.execute("commit")
        self._index.execute("create index if not exists by_digest on lines (digest)")

    def take(self, name: str) -> FoundAnswer | None:
        """The next line of this digest that was not taken. Raises LookupError where there never was one."""
        query = "select rowid, file, place from lines where digest = ? and not taken limit 1"
        found = self._index.execute(query, (name,)).fetchone()
        if found is None:
            if self._index.execute("select 1 from lines where digest = ?", (name,)).fetchone():
                return None
            raise LookupError(name)
        row, path, place = found
        self._index.execute("update lines set taken = 1 where rowid = ?", (row,))
        with Path(path).open("rb") as opened:
            opened.seek(place)
            return _answer(json.loads(opened.readline()))

    def has(self, name: str) -> bool:
        """Whether there is a line of this digest that was not taken. Raises LookupError where there never was one."""
        query = "select not taken from lines where digest = ? order by taken limit 1"
        found = self._index.execute(query, (name,)).fetchone()
        if found is None:
            raise LookupError(name)
        return bool(found[0])

    def close(self) -> None:
        self._index.close()


def _answer(line: Mapping[str, Any]) -> FoundAnswer | None:
    """None for what the provider did not come to, or did not say in a form that can be read."""
    response = line.get("response")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        return FoundAnswer(response["status_code"], response.get("body"))
    error = line.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if code in ("batch_expired", "batch_cancelled"):
        raise LookupError(code)
    return None


@dataclass
class BatchChat(Chat):
    """A client that takes answers from batches, and asks the model for what is garbled or missing there.

    live: whether requests that the provider did not come to are asked now, at the full price; else they fail.
    whole: whether all requests were sent. Where a limit left no room for the others, the job ends at the first of them.
    """

    answers: BatchAnswers | None = field(default=None, repr=False)
    live: bool = True
    whole: bool = True
    _share: Decimal | None = field(default=None, init=False)  # of the price, of what is being read

    async def _post(
        self,
        path: str,
        body: dict[str, Any],
        parse: Parse[Answer],
        requests_per_minute: int | None = None,
        again: MayPay | None = None,
    ) -> Answer:
        found, paid = await self._found(path, body, parse)
        if found is not None:
            return found
        if again is not None and self._has_line(body) and not await again():
            raise BadInput(NO_ROOM, reason="budget_spent")
        with provider_errors.paid_before(paid):
            answer = await super()._post(path, body, parse, requests_per_minute, again)
        return cast(Answer, answer.after(paid)) if isinstance(answer, Completion) else answer

    def _has_line(self, body: Mapping[str, Any]) -> bool:
        """Whether a batch had this request, so that room for its answer there is all the room it has."""
        if self.answers is None:
            return False
        with suppress(LookupError):
            self.answers.has(digest(prepared(self, body)))
            return True
        return False

    def is_sent(self, body: Mapping[str, Any]) -> bool:
        """Raises BudgetSpent for a request for which a limit left no room."""
        try:
            return self.answers is not None and self.answers.has(digest(prepared(self, body)))
        except LookupError:
            if not self.whole:
                raise BudgetSpent(NOT_SENT) from None
            return False

    async def post_shared(
        self, path: str, body: dict[str, Any], parse: Parse[Answer], requests_per_minute: int | None = None
    ) -> tuple[Answer, Decimal]:
        """As `post`, with the share of the price that the answer cost."""
        found, _ = await self._found(path, body, parse)
        if found is not None:
            return found, BATCH_SHARE
        return await super()._post(path, body, parse, requests_per_minute), Decimal(1)

    async def _found(self, path: str, body: dict[str, Any], parse: Parse[Answer]) -> tuple[Answer | None, Bill]:
        """The answer that a batch has, or None for what is asked now, and what an answer cost that cannot be read.

        Raises BadInput for what is not asked, or was refused.
        """
        found: FoundAnswer | None = None
        if self.answers is not None:
            try:
                found = self.answers.take(name := digest(prepared(self, body)))
            except LookupError as missing:
                if not self.whole and missing.args == (name,):
                    raise BudgetSpent(NOT_SENT) from None
                if not self.live:
                    raise BadInput(EXPIRED, reason="expired") from None
        if found is None:
            return None, NO_BILL
        raw = json.dumps(found.body).encode()
        if found.status == 200:
            try:
                return self._read_half(raw, body, parse), NO_BILL
            except Unwell as error:
                return None, error.bill
        if 400 <= found.status < 500 and found.status not in LIVE_STATUSES:
            refusal = await self._refused(path, found.status, {}, raw, body)
            if isinstance(refusal, LegworkError):
                raise refusal
            # It wants the request in another form. All others want it too, and would be asked for the whole price.
            said, _ = provider_errors.sentence_of(raw, self.api_key)
            raise BadInput(f"The provider refused this request: {said}", reason="provider_refused")
        return None, NO_BILL

    def _read_half(self, raw: bytes, body: dict[str, Any], parse: Parse[Answer]) -> Answer:
        """An answer of a batch, for half the price."""
        self._share = BATCH_SHARE
        try:
            return self._read(raw, body, parse, 0.0)
        finally:
            self._share = None

    def _priced(self, body: Mapping[str, Any], bill: Bill) -> Bill:
        priced = super()._priced(body, bill)
        share = None if priced.cost is None else self._share
        return replace(priced, cost=(priced.cost or 0) * share) if share is not None else priced


def with_answers(client: Chat, answers: BatchAnswers, *, live: bool, whole: bool = True) -> BatchChat:
    """The same client, with answers."""
    given = {one.name: getattr(client, one.name) for one in fields(client) if one.init}
    return BatchChat(**given, answers=answers, live=live, whole=whole)


def prepared(client: Chat, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request body as it is sent and looked for: a chat with the model that it means, all else names its own.

    OpenAI's newer models refuse `max_tokens`, and all of its models take the other name.
    """
    if "messages" not in body:
        return dict(body)
    named = {**body, "model": chosen_model(str(body.get("model") or client.model))}
    return provider_errors.renamed_limit(named) if is_openai() else named


def most_cost(client: Chat, body: Mapping[str, Any]) -> Decimal | None:
    """The most that a request can cost in a batch, in dollars; None without a price, or where its answer has no limit."""
    if "messages" in body:
        most = client.most_cost(body)
    else:
        rates = client.rates(str(body["model"]))
        most = rates.most(most_usage(body)) if rates else None
    return None if most is None else most * BATCH_SHARE
