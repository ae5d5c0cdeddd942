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
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jobs.engine.db import postgres
from jobs.engine.db.models import ProviderBatch
from jobs.engine.errors import BadInput, ProviderWait, Skip
from jobs.engine.llm import batch_answers, batch_requests, open_client, provider_batches
from jobs.engine.llm.batch_answers import BatchAnswers, BatchChat
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
) -> Iterator[BatchChat]:
    """A client with the answers to all items, as `Chat`. Raises ProviderWait until the provider has them.

    request: the body for an item, or several. live: whether what the provider did not come to in time is asked now; else it fails.
    """
    client = open_client()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="legwork-answers-")))
        with provider_batches.ProviderAccount() as account:
            _send(context, account, context.left(items, key), request, client, endpoint)
            begun = batches.batches_of(context.job.job_id)
            batches.look_at(account, begun)
            if any(one.state != "ended" for one in begun):
                raise ProviderWait(sum(one.requests for one in begun))
            answers = _fetched(context, account, begun, folder, stack)
        yield batch_answers.with_answers(client, answers, live=live)


def _send(
    context: Context,
    account: provider_batches.ProviderAccount,
    entries: Iterator[WorkItem],
    request: Request,
    client: Chat,
    endpoint: str,
) -> None:
    """Have the provider begin the batches that no earlier attempt had it begin."""
    job_id = context.job.job_id
    _settle_begun(context, account)

    def send() -> int:
        last = max((one.last for one in batches.batches_of(job_id)), default=0)
        left = (entry for entry in entries if entry.position > last)
        with closing(_files(context, left, request, client, endpoint)) as files:
            return sum(_create(context, account, written, endpoint) for written in files)

    over = batches.rounds_over(job_id)
    context.once(f"{SENT} {over}" if over else SENT, send)


def _files(
    context: Context, entries: Iterator[WorkItem], request: Request, client: Chat, endpoint: str
) -> Generator[RequestFile, None, None]:
    """Files of requests, one at a time, each as large as one batch may be."""
    with tempfile.TemporaryDirectory(prefix="legwork-requests-") as folder, ExitStack() as stack:
        written = _new_file(folder, stack)
        for number, entry in enumerate(entries):
            if number % CHECK_EVERY == 0:
                context.check()
            try:
                asked = request(entry.value)
            except (Skip, BadInput):
                continue  # it is so again, and recorded, when the answers are read
            bodies = [batch_answers.prepared(client, one) for one in ([asked] if isinstance(asked, dict) else asked)]
            if not written.add(entry.position, bodies, endpoint):
                yield written
                written = _new_file(folder, stack)
                written.add(entry.position, bodies, endpoint)
        if written.count:
            yield written


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
        begun = batches.intend(session, context.job, written.first, written.last, written.count, file_id, endpoint)
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
