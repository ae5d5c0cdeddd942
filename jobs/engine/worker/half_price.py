"""A job whose requests a provider answers in batches of its own, within 24 hours and for half the price.

The run has three short parts, and a kill at any moment costs none of them twice. It writes the requests into files and creates
the batches: the intention is recorded before, the provider's id after, and a batch without an id is looked for by the job's id
in its metadata. Then the job waits in the queue, and the clock looks how the batches stand (queue/batches). When all have ended
the job runs again, with a client that has the answers.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from jobs.engine.db import postgres
from jobs.engine.db.models import ProviderBatch
from jobs.engine.errors import BadInput, BudgetSpent, JobFailed, ProviderWait, Skip
from jobs.engine.llm import batch_answers, batch_requests, open_client, provider_batches
from jobs.engine.llm.batch_answers import BatchAnswers, BatchChat
from jobs.engine.llm.budget import NO_PRICE
from jobs.engine.llm.client import Chat
from jobs.engine.queue import batches
from jobs.engine.worker.context import Context
from jobs.engine.worker.item_loop import WorkItem

MOST_REQUESTS, MOST_BYTES = provider_batches.MOST_REQUESTS, provider_batches.MOST_BYTES
SENT = "requests sent in batches"  # the step that says so; another one after each retry
CHECK_EVERY = 500  # requests between two looks whether the run must end

# An item's body, or bodies; raises Skip or BadInput for an item without one.
Request = Callable[[Any], dict[str, Any] | Sequence[dict[str, Any]]]


@dataclass
class RequestFile:
    """Requests of one batch, being written. first, last: positions of items."""

    path: Path
    stream: IO[bytes]
    first: int = 0
    last: int = 0
    count: int = 0
    most_cost: Decimal = Decimal(0)
    names: dict[str, int] = field(default_factory=dict)

    def add(self, position: int, bodies: Sequence[dict[str, Any]], endpoint: str) -> bool:
        """Write the requests of an item; False, and nothing is written, where they do not fit into this batch."""
        lines = [line for body in bodies if (line := self._line(body, endpoint))]
        full = self.count + len(lines) > MOST_REQUESTS or self.stream.tell() + sum(map(len, lines)) > MOST_BYTES
        if self.count and full:
            return False
        self.stream.writelines(lines)
        self.first, self.last, self.count = self.first or position, position, self.count + len(lines)
        return True

    def _line(self, body: dict[str, Any], endpoint: str) -> bytes:
        """A request as its line; empty for a text whose embedding is asked for already: it is the same each time."""
        name = batch_answers.digest(body)
        again = self.names.get(name, 0)
        if again and endpoint == batch_requests.EMBEDDINGS_URL:
            return b""
        self.names[name] = again + 1
        return (
            json.dumps({"custom_id": f"{name}-{again}", "method": "POST", "url": endpoint, "body": body}).encode()
            + b"\n"
        )


@contextmanager
def half_price(
    context: Context,
    items: Iterable[Any],
    request: Request,
    endpoint: str,
    *,
    live: bool,
    key: Callable[[Any], str] | None = None,
    cost_limit: float | None = None,
) -> Iterator[BatchChat]:
    """A client with the answers to all items, as `Chat`. Raises ProviderWait until the provider has them.

    request: the body for an item, or several. live: whether what the provider did not come to in time is asked now; else it fails.
    cost_limit: dollars. What could pass it, or the owner's allowance, is not sent; the job ends with what is done.
    """
    client = open_client()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="legwork-answers-")))
        with provider_batches.ProviderAccount() as account:
            whole = _send(context, account, context.left(items, key), _Requests(request, client, endpoint, cost_limit))
            begun = batches.batches_of(context.job.job_id)
            batches.look_at(account, begun)
            if any(one.state != "ended" for one in begun):
                raise ProviderWait(sum(one.requests for one in begun))
            answers = _fetched(context, account, begun, folder, stack)
        yield batch_answers.with_answers(client, answers, live=live, whole=whole)


@dataclass(frozen=True)
class _Requests:
    """What is sent for items. cost_limit: dollars."""

    of: Request
    client: Chat
    endpoint: str
    cost_limit: float | None

    def bodies(self, item: Any) -> list[dict[str, Any]]:
        """Raises Skip or BadInput."""
        asked = self.of(item)
        return [
            batch_answers.prepared(self.client, body) for body in ([asked] if isinstance(asked, Mapping) else asked)
        ]

    def most_cost(self, bodies: Sequence[Mapping[str, Any]]) -> Decimal:
        """Dollars in a batch at most. Raises JobFailed where there is a limit and no price."""
        known = [batch_answers.most_cost(self.client, body) for body in bodies]
        if None in known and self.cost_limit is not None:
            raise JobFailed(f"The model {NO_PRICE}", reason="no_price")
        return sum((one for one in known if one), Decimal(0))


def _send(
    context: Context, account: provider_batches.ProviderAccount, entries: Iterator[WorkItem], requests: _Requests
) -> bool:
    """Have the provider begin the batches that no earlier attempt had it begin. Returns whether a limit let all be sent."""
    job_id = context.job.job_id
    _settle_begun(context, account)

    def send() -> dict[str, Any]:
        limit = None if requests.cost_limit is None else Decimal(str(requests.cost_limit))
        left = batches.money_left(job_id, context.job.owner, limit)
        last = max((one.last for one in batches.batches_of(job_id)), default=0)
        files = _Files(context, (entry for entry in entries if entry.position > last), requests, left)
        with closing(files.written()) as written:
            sent = sum(_create(context, account, one, requests.endpoint) for one in written)
        if not files.whole and not sent and not last:
            raise BudgetSpent(batch_answers.NOT_SENT)  # no step is recorded, so a retry sends them
        return {"sent": sent, "whole": files.whole}

    over = batches.rounds_over(job_id)
    return bool(context.once(f"{SENT} {over}" if over else SENT, send)["whole"])


@dataclass
class _Files:
    """Files of requests, one at a time, each as large as one batch may be. left: dollars that they may cost; None for any.

    whole: whether all requests were written, once all files were.
    """

    context: Context
    entries: Iterator[WorkItem]
    requests: _Requests
    left: Decimal | None
    whole: bool = True

    def written(self) -> Generator[RequestFile, None, None]:
        with tempfile.TemporaryDirectory(prefix="legwork-requests-") as folder, ExitStack() as stack:
            written = _new_file(folder, stack)
            for position, bodies, most in self._affordable():
                if not written.add(position, bodies, self.requests.endpoint):
                    yield written
                    written = _new_file(folder, stack)
                    written.add(position, bodies, self.requests.endpoint)
                written.most_cost += most
            if written.count:
                yield written

    def _affordable(self) -> Iterator[tuple[int, list[dict[str, Any]], Decimal]]:
        """The position of each item, its requests, and what they may cost."""
        for number, entry in enumerate(self.entries):
            if number % CHECK_EVERY == 0:
                self.context.check()
            try:
                bodies = self.requests.bodies(entry.value)
            except (Skip, BadInput):
                continue  # it is so again, and recorded, when the answers are read
            most = self.requests.most_cost(bodies)
            if self.left is not None and most > self.left:
                self.whole = False
                self.context.log("the limit in dollars leaves no room for more requests", "warning")
                return
            self.left = None if self.left is None else self.left - most
            yield entry.position, bodies, most


def _new_file(folder: str, stack: ExitStack) -> RequestFile:
    path = Path(folder) / "requests.jsonl"
    return RequestFile(path, stack.enter_context(path.open("wb")))


def _create(context: Context, account: provider_batches.ProviderAccount, written: RequestFile, endpoint: str) -> int:
    """Have the provider begin one batch."""
    written.stream.close()
    context.check()
    context.progress(note=f"Sending {written.count:,} requests to the provider")
    file_id = account.upload(written.path)
    with postgres.session() as session:
        about = written.first, written.last, written.count, file_id, endpoint, written.most_cost
        begun = batches.intend(session, context.job, *about)
    batches.made(context.job, begun, account.create(file_id, endpoint, batches.labels(begun)))
    context.log(f"the provider has {written.count:,} requests to answer within 24 hours")
    return written.count


def _settle_begun(context: Context, account: provider_batches.ProviderAccount) -> None:
    """Find the batches that an earlier attempt began without hearing of it, or begin them now."""
    for begun in batches.batches_of(context.job.job_id):
        if begun.state != "creating":
            continue
        while (seconds := batches.unsettled_seconds(begun)) > 0:  # its request may still be on its way
            context.check()
            time.sleep(min(seconds, 0.2))
        found = account.find(batches.labels(begun), begun.asked_at)
        found = found or account.create(begun.input_file, begun.endpoint, batches.labels(begun))
        batches.made(context.job, begun, found)


def _fetched(
    context: Context,
    account: provider_batches.ProviderAccount,
    begun: list[ProviderBatch],
    folder: Path,
    stack: ExitStack,
) -> BatchAnswers:
    """The answers of all batches."""
    answers = BatchAnswers(folder)
    stack.callback(answers.close)
    for one in begun:
        if one.status == "failed":
            raise provider_batches.failed(one.trouble or "")
        for place, file_id in enumerate(one.files or ()):
            context.check()
            path = folder / f"{one.number}-{place}"
            account.fetch(file_id, path)
            answers.add(path)
    return answers
