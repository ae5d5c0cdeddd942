"""Answers that an owner's jobs got before, by the whole request: the same request is not asked, and not paid for, again.

Only a job whose form says so looks and keeps, and nobody finds what another owner's jobs kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jobs.engine import settings
from jobs.engine.billing import Bill
from jobs.engine.db import postgres
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.jsonsafe import dumps
from jobs.engine.llm import Completion, providers

_LOOK = """
    select answer, cost from kept_answers
    where owner = %(owner)s and digest = %(digest)s and created_at > now() - make_interval(days => %(days)s)
"""
_KEEP = """
    insert into kept_answers (owner, digest, answer, cost) values (%(owner)s, %(digest)s, cast(%(answer)s as json), %(cost)s)
    on conflict (owner, digest) do update set answer = excluded.answer, cost = excluded.cost, created_at = now()
"""


class KeptAnswers:
    """Those of one owner. on: whether this job looks at all; days: how old an answer may be, 0 for none."""

    def __init__(self, owner: str, on: bool) -> None:
        self._owner = owner
        self._days = settings.current().keep_answers_days
        self.on = on and self._days > 0

    async def look(self, body: Mapping[str, Any]) -> Completion | None:
        """The answer to exactly this request, with a bill of nothing that says what was saved; None if there is none."""
        if not self.on:
            return None
        values = {"owner": self._owner, "digest": digest(body), "days": self._days}
        try:
            found = await asyncio.to_thread(postgres.fetch_all, _LOOK, values)
        except DatabaseUnavailable:
            return None
        if not found:
            return None
        answer, cost = found[0]
        return Completion(**answer, seconds=0.0, bill=Bill(reused=1, saved=Decimal(cost or 0)))

    async def keep(self, body: Mapping[str, Any], answer: Completion) -> None:
        """Keep an answer that came to its end by itself."""
        if not self.on or answer.unwilling or answer.calls or answer.finish_reason != "stop":
            return
        kept = {
            "text": answer.text,
            "finish_reason": answer.finish_reason,
            "model": answer.model,
            "reasoning": answer.reasoning,
        }
        values = {"owner": self._owner, "digest": digest(body), "answer": dumps(kept), "cost": answer.bill.cost}
        try:
            await asyncio.to_thread(_write, values)
        except DatabaseUnavailable:
            return


def digest(body: Mapping[str, Any]) -> bytes:
    """Of the whole request, and of where it goes."""
    target = providers.target(str(body.get("model") or ""))
    whole = [target.connection.name, target.connection.address, {**body, "model": target.model}]
    return hashlib.sha256(
        json.dumps(whole, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).digest()


def forget_old() -> int:
    """Delete the answers that are too old to be used. Returns how many."""
    with postgres.autocommit() as connection:
        gone = postgres.execute(connection, _FORGET, {"days": settings.current().keep_answers_days})
    return len(gone)


_FORGET = """
    delete from kept_answers where ctid = any(array(
        select ctid from kept_answers where created_at < now() - make_interval(days => %(days)s) limit 10000
    )) returning 1
"""


def _write(values: dict[str, Any]) -> None:
    with postgres.autocommit() as connection:
        postgres.execute(connection, _KEEP, values)
