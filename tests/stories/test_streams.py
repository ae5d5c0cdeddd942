"""Streams seen from outside: cut, stopped from elsewhere, their web process killed. Two web processes, no worker at all."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.fake_provider import FakeProvider
from tests.stories.app_process import App, Start

TEXT = "Grüße 🙂 and a line\n\n- one **two** three\n" * 12


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(keep_seconds=1) as provider:  # so that an open connection is one that is used
        yield provider


@pytest.fixture
def site(start_app: Start, provider: FakeProvider) -> App:
    environ = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "x", "OPENAI_MODEL": "fake-small"}
    app = start_app(only=["web"], WEB_CONCURRENCY="2", **environ)
    assert not app.processes("worker")
    until(lambda: len(web_pids(app)) == 2, "two web processes")
    return app


def test_a_stream_in_two_processes(site: App, provider: FakeProvider) -> None:
    """The story of one evening: cut 20 times, stopped from the other process, killed; nothing is lost or left."""
    cut_twenty_times(site, provider)
    read_by_many(site, provider)
    stop_from_the_other_process(site, provider)
    leave_no_stream_behind(site, provider)
    leave_nothing_behind_after_trouble(site, provider)
    kill_the_web_process(site, provider)


def cut_twenty_times(site: App, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "text": TEXT, "token_seconds": 0.04}])
    answer = ask(site)
    seen, text, cuts = "", "", 0
    while cuts < 20:
        for at, piece in pieces(site, answer, seen, most=2):
            assert at == len(text)
            text += piece
            seen = str(len(text))
        cuts += 1
    for at, piece in pieces(site, answer, seen):
        assert at == len(text)
        text += piece
    assert text == TEXT + " "
    assert get(site, answer["url"])["state"] == "done"


def read_by_many(site: App, provider: FakeProvider) -> None:
    """Programs and pages in both processes, from the start and from later on: each gets all, once, and the end last."""
    provider.script(do=[{"do": "slow", "text": TEXT * 4, "token_seconds": 0.01}])
    answer = ask(site)
    addresses = [answer["stream"], f"/chat/answers/{answer['id']}/stream"] * 4
    seen = [0, 0, 0, 0, 5, 5, 300, 300]
    with ThreadPoolExecutor(len(addresses)) as readers:
        found = list(readers.map(lambda address, after: events(site, f"{address}?after={after}"), addresses, seen))
    whole = get(site, answer["url"])["text"]
    assert whole == TEXT * 4 + " "
    for after, came in zip(seen, found, strict=True):
        texts = [data for name, data in came if not name]
        assert [each["at"] for each in texts] == [
            after + len("".join(each["text"] for each in texts[:n])) for n in range(len(texts))
        ]
        assert "".join(each["text"] for each in texts) == whole[after:]
        assert came[-1][0] == "end" and came[-1][1]["state"] == "done"
    assert all(any(name == "html" for name, _ in page) for page in found[1::2])


def stop_from_the_other_process(site: App, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02}])
    answer = ask(site)
    port = urlsplit(provider.base_url).port
    until(lambda: get(site, answer["url"])["text"], "some text")
    writer = next(pid for pid in web_pids(site) if remote_ports(pid, port))
    other = next(pid for pid in web_pids(site) if pid != writer)
    with connection_to(site, other) as connection:
        began = time.time()
        connection.request("POST", f"{answer['url']}/stop")
        assert connection.getresponse().status == 202
    until(lambda: provider.calls()[-1].get("left"), "the end of the provider's request")
    assert provider.calls()[-1]["left"] - began < 20  # the promise is a second; this machine may be busy
    until(lambda: get(site, answer["url"])["state"] == "stopped", "the answer being stopped")


def leave_no_stream_behind(site: App, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "text": TEXT, "token_seconds": 0.05}])
    answer = ask(site)
    before = served_connections(site)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
            stack.callback(connection.close)
            connection.request("GET", answer["stream"])
            connection.getresponse().read(20)
        until(lambda: served_connections(site) >= before + 50, "fifty open streams")
    until(lambda: served_connections(site) <= before, "every stream being closed")
    until(lambda: get(site, answer["url"])["state"] == "done", "the end, with nobody reading")
    assert get(site, answer["url"])["text"] == TEXT + " "
    port = urlsplit(provider.base_url).port
    until(lambda: not any(remote_ports(pid, port) for pid in web_pids(site)), "no connection to the provider")


TROUBLES = [
    ({"do": "status", "status": 401}, "provider_refused_key"),
    ({"do": "status", "status": 429, "retry_after": 7}, "provider_busy"),
    ({"do": "garbage"}, "provider_unwell"),
    ({"do": "break"}, "provider_broke"),
    ({"do": "endless", "token_seconds": 0.0}, "limit"),
]


def leave_nothing_behind_after_trouble(site: App, provider: FakeProvider) -> None:
    """Greenlets, streams and connections, counted in the processes themselves, before and after all that goes wrong."""
    port = urlsplit(provider.base_url).port
    before = figures(site)
    assert before["greenlets"] > 0 and before["answers"] == before["streams"] == 0
    for how, reason in TROUBLES:
        provider.script(do=[how])
        assert reason_of(site, ask(site)) == reason
    with provider.away():
        assert reason_of(site, ask(site)) == "provider_away"
    for how in ({"do": "silence"}, {"do": "hang"}, {"do": "endless", "token_seconds": 0.05}):
        provider.script(do=[how])
        answer = ask(site)
        with contextlib.ExitStack() as stack:  # readers that leave while nothing, or always something, comes
            for _ in range(10):
                connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
                stack.callback(connection.close)
                connection.request("GET", answer["stream"])
                connection.getresponse().read(5)
            assert figures(site)["streams"] == 10 and figures(site)["greenlets"] > before["greenlets"]
        until(lambda: not figures(site)["streams"], "every reader being let go")
        post(site, f"{answer['url']}/stop")
        assert reason_of(site, answer) == "stopped"
    until(lambda: not figures(site)["answers"], "the end of every answer")
    until(lambda: figures(site)["greenlets"] <= before["greenlets"], "the end of every greenlet")
    until(lambda: not any(remote_ports(pid, port) for pid in web_pids(site)), "no connection to the provider")


def reason_of(site: App, answer: dict[str, Any]) -> str:
    until(lambda: get(site, answer["url"])["state"] != "writing", "the end of the answer")
    return str(get(site, answer["url"])["reason"])


def figures(site: App) -> dict[str, int]:
    """What all web processes say of themselves, added up."""
    found: Counter[str] = Counter()
    for pid in web_pids(site):
        with connection_to(site, pid) as connection:
            connection.request("GET", "/metrics")
            said = connection.getresponse().read().decode()
            found.update({name: round(float(value)) for name, value in _OF_A_PROCESS.findall(said)})
    return found


_OF_A_PROCESS = re.compile(r'^legwork_web_(\w+)\{process="\d+"\} (\S+)$', re.M)


def kill_the_web_process(site: App, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02}])
    answer = ask(site)
    port = urlsplit(provider.base_url).port
    got = [piece for _, piece in pieces(site, answer, "", most=12)]
    writer = next(pid for pid in web_pids(site) if remote_ports(pid, port))
    time.sleep(1)  # what is passed on goes in batches; the one under way dies with its writer
    os.kill(writer, signal.SIGKILL)
    until(lambda: get(site, answer["url"])["state"] == "broken", "the answer being marked")
    kept = get(site, answer["url"])
    assert kept["reason"] == "writer_lost" and kept["text"].startswith("".join(got))
    provider.script(do=[{"do": "slow", "text": "and the end"}])
    post(site, f"{answer['url']}/continue")
    until(lambda: get(site, answer["url"])["state"] == "done", "the end")
    assert get(site, answer["url"])["text"] == kept["text"] + "and the end "


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.1)


def ask(site: App) -> dict[str, Any]:
    talk = post(site, "/api/v1/chat")
    return post(site, f"/api/v1/chat/{talk['id']}/messages", {"text": "Hello"})


def post(site: App, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = json.load(response)
        assert response.status in (201, 202), found
        return dict(found)


def get(site: App, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return dict(json.load(connection.getresponse()))


def pieces(site: App, answer: dict[str, Any], seen: str, most: int = 10**9) -> Iterator[tuple[int, str]]:
    """(offset, text) of a stream's text events, from where `seen` names; cut off after so many."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", answer["stream"], headers={"Last-Event-ID": seen} if seen else {})
        name = ""
        for line in connection.getresponse():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data" and not name:
                data = json.loads(value)
                yield data["at"], data["text"]
                most -= 1
                if not most:
                    return
            elif not field:
                name = ""


def events(site: App, path: str) -> list[tuple[str, dict[str, Any]]]:
    """All events of a stream, to its end: (name, data)."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        found, name = [], ""
        for line in connection.getresponse():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                found.append((name, json.loads(value)))
            elif not field:
                name = ""
        return found


def web_pids(site: App) -> list[int]:
    """The processes that serve: children of gunicorn's own."""
    found = site.processes("web")
    parents = {each.parent for each in found}
    return [each.pid for each in found if each.pid not in parents]


def remote_ports(pid: int, port: int | None) -> list[Any]:
    with contextlib.suppress(psutil.Error):
        there = psutil.Process(pid).net_connections("tcp")
        return [each for each in there if each.raddr and each.raddr.port == port and each.status == "ESTABLISHED"]
    return []


def served_connections(site: App) -> int:
    port = urlsplit(site.url).port
    found = [each for pid in web_pids(site) for each in psutil.Process(pid).net_connections("tcp")]
    return sum(each.laddr.port == port and each.status in ("ESTABLISHED", "CLOSE_WAIT") for each in found)


@contextlib.contextmanager
def connection_to(site: App, pid: int) -> Iterator[http.client.HTTPConnection]:
    """A connection that this web process serves; the kernel chooses, so it takes a few tries."""
    for _ in range(200):
        connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            assert connection.sock is not None
            if remote_ports(pid, connection.sock.getsockname()[1]):
                yield connection
                return
    raise AssertionError("no connection reached that process")
