"""A balancer before several webs, with one browser and one program that uses its token."""

from __future__ import annotations

import http.client
import itertools
import re
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stories.site_client import Answer, Site

REFUSED = (ConnectionError, http.client.RemoteDisconnected, urllib.error.URLError)


class Balanced(Site):
    """Asks the webs in turn, all under one name.

    Like any balancer it asks the next one where a web refuses the connection or drops it without a word, if it may ask twice.
    """

    def __init__(self, name: str, addresses: list[str]):
        super().__init__(name)
        self.asked = 0
        self.passed_on = 0  # of these, what the first web did not take
        self._count = len(addresses)
        self._webs = itertools.cycle(map(Site, addresses))
        self._cookies: dict[str, str] = {}
        self._token = ""

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        known = {"Authorization": self._token} if path.startswith("/api/") else {"Cookie": cookies}
        again = method == "GET" or "Idempotency_Key" in headers
        self.asked += 1
        for left in reversed(range(self._count)):
            try:
                return self._kept(next(self._webs).send(method, path, body, Host=self.url, **known, **headers))
            except REFUSED:
                if not left or not again:
                    raise
                self.passed_on += 1
        raise AssertionError("there is no web")

    def sign_in(self, name: str, password: str) -> None:
        """At whatever web is next, and make a token at another."""
        page = self.get("/login")
        answer = self.post("/login", {"csrf_token": _hidden(page), "name": name, "password": password})
        assert answer.status == 303, answer.text
        wanted = {"csrf_token": _hidden(self.get("/account")), "name": "tests", "scope": "operate", "days": "30"}
        made = self.post("/account/tokens", wanted)
        assert made.status == 201, made.text
        self._token = "Bearer " + re.findall(r'id="new-token"[^>]*>([^<]+)<', made.text)[0]

    def take_over(self, other: Balanced) -> None:
        """Be whoever the other one is signed in as."""
        self._cookies, self._token = dict(other._cookies), other._token

    def submit_keyed(self, key: str, kind: str, **params: Any) -> str:
        """Start a job, whichever web goes away meanwhile: one key, one job."""
        answer = self.try_submit(kind, params, Idempotency_Key=key)
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    @contextmanager
    def polled(self, paths: list[str]) -> Iterator[list[str]]:
        """These pages are asked for, ten a second, until the end of the block. What went wrong, as it goes wrong."""
        wrong: list[str] = []
        over = threading.Event()

        def ask() -> None:
            for path in itertools.takewhile(lambda _: not over.wait(0.1), itertools.cycle(paths)):
                try:
                    answer = self.send("GET", path)
                    wrong.extend([f"{path}: {answer.status} {answer.text[:300]}"] * (answer.status != 200))
                except REFUSED as error:
                    wrong.append(f"{path}: {error!r}")

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield wrong
        finally:
            over.set()
            thread.join()

    def _kept(self, answer: Answer) -> Answer:
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer


def _hidden(page: Answer) -> str:
    return re.findall(r'name="csrf_token" value="([^"]*)"', page.text)[0]
