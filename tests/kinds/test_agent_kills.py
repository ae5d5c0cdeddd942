"""An agent's process dies in the middle of a tool. What is counted is what a site outside was asked for."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.engine.queue import approvals, commands, queries
from tests.engine.workers import ended, running, until
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, items


class Library:
    """A site that counts what it was asked for, and answers to /slow only once it is let."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.let = threading.Event()
        library = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                library.asked[self.path] += 1
                if self.path == "/slow":
                    library.let.wait(60)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *_: object) -> None:
                """Not into the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.let.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def library() -> Iterator[Library]:
    library = Library()
    yield library
    library.close()


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        address = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
        environment(**address, OUTGOING_PRIVATE="1")
        yield provider


@pytest.mark.slow
def test_killed_in_a_tool_it_goes_on_and_asked_it_waits(provider: FakeProvider, library: Library) -> None:
    paths = ("/one", "/two", "/slow", "/last")
    provider.script(do=[{"do": "tool", "calls_tool": ["fetch_page", {"url": library.url + path}]} for path in paths])
    params = {"task": "Read.", "tools": ["fetch_page"], "hosts": ["127.0.0.1"]}
    with running("--processes", "1", "--queues", "io") as workers:
        job = commands.submit("run_agent", params, owner=OWNER)
        until(lambda: library.asked["/slow"])
        (horse,) = workers.horses
        os.kill(horse, signal.SIGKILL)
        until(lambda: library.asked["/slow"] == 2)
        library.let.set()
        job = ended(job)
        assert (job.state, job.attempt) == ("succeeded", 1), job.message
        assert library.asked == {"/one": 1, "/two": 1, "/slow": 2, "/last": 1}
        assert len(provider.calls()) == 5  # no finished step of the model is paid for again
        assert [item.output["result"] for item in items(job)] == [*paths, None]

        provider.script(do=[{"do": "tool", "calls_tool": ["fetch_page", {"url": f"{library.url}/asked"}]}])
        job = commands.submit("run_agent", params | {"approve": ["fetch_page"]}, owner=OWNER)
        until(lambda: queries.job(job.id, OWNER).reason == "approval")
        until(lambda: workers.horses == [])  # nobody works while it waits
        for worker in workers.workers:
            os.kill(worker, signal.SIGKILL)
        (asked,) = approvals.approvals_of(job)
        commands.answer_approval(job.id, asked.id, True, "", owner=OWNER)
        assert ended(job).state == "succeeded"
        assert library.asked["/asked"] == 1
