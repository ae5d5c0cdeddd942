"""A site on a database of its own, with the specimens among its kinds; one a module, since making one takes a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from jobs.engine.accounts import passwords
from jobs.engine.chat import answer_threads, redis_stream, trials
from tests.conftest import House
from tests.engine.workers import until
from tests.fake_provider import FakeProvider

PATIENCE = 60_000  # ms; the machine may be busy
KINDS = "tests.sample_kinds,tests.web.sample_kinds"
# There is a site for each module: each would compile all templates anew.
Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache()}


@pytest.fixture(scope="session", autouse=True)
def real_passwords() -> Iterator[dict[str, Any]]:
    """What belongs into `passwords`: the tests of the site, which hash a thousand, have it do so in less than 20 ms each."""
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    cheap = {"_hasher": lambda: hasher, "_DUMMY_HASH": hasher.hash("nobody's")}
    real = {name: getattr(passwords, name) for name in cheap}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cheap.items():
            patch.setattr(passwords, name, value)
        yield real


@pytest.fixture(scope="module")
def app(house: House) -> Iterator[Flask]:
    from webapp.app import create_app

    with house(EXTRA_KINDS=KINDS):
        yield create_app({"TESTING": True})


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def app_with_model(house: House, provider: FakeProvider) -> Iterator[Flask]:
    """Where a module calls this one `app`, its site asks the scripted provider, and wants no CSRF tokens."""
    from webapp.app import create_app

    model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk-secret-of-ours", "OPENAI_MODEL": "fake-small"}
    with house(EXTRA_KINDS=KINDS, **model):
        yield create_app({"TESTING": True, "WTF_CSRF_ENABLED": False})


@pytest.fixture
def clean(provider: FakeProvider, app: Flask) -> Iterator[None]:
    """The test begins with a provider that simply answers, and leaves no thread of an answer behind."""
    provider.script()
    redis_stream._breaker.reset()
    yield
    for each in list(answer_threads._writers.values()):  # of a test that failed
        each.stop()
    until(lambda: not trials._open and not answering())


def answering() -> list[str]:
    """The threads that write or read an answer, or embed an attached file."""
    names = ("answer", "follow", "reader of", "vectors of")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-software-rasterizer"]
        yield playwright.chromium.launch(executable_path=chromium, args=flags)


@pytest.fixture
def tab(chrome: Browser) -> Iterator[Page]:
    """A tab of a browser that was never here before."""
    context = chrome.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


@pytest.fixture(scope="module")
def site(app: Flask) -> Iterator[str]:
    """The address of the site, served over a socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def complaints(tab: Page) -> Iterator[list[str]]:
    """What the browser complains of: there must be nothing, a breach of the policy least of all."""
    found: list[str] = []
    tab.on("console", lambda said: found.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert not found
