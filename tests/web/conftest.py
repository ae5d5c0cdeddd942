"""A site on a database of its own, with the specimens among its kinds; one a module, since making one takes a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from jobs.engine.embedded.redis import Redis
from jobs.engine.kinds import catalogue
from tests.conftest import OURS, Database, forget
from tests.engine import workers

PATIENCE = 60_000  # ms; the machine may be busy
KINDS = "tests.sample_kinds,tests.web.sample_kinds"


@pytest.fixture(scope="module")
def app(fresh_database: Database, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    from webapp.app import create_app

    with (
        fresh_database() as url,
        _environment(DATABASE_URL=url, REDIS_URL=redis.url, DATA_DIR=tmp_path_factory.mktemp("data")),
    ):
        yield create_app({"TESTING": True})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])


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


@pytest.fixture
def worker(site: str) -> Iterator[None]:
    with workers.running("--processes", "1"):
        yield


@contextmanager
def _environment(**variables: str | Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in OURS:
            patch.delenv(name, raising=False)
        for name, value in {"SECRET_KEY": "only for tests", "EXTRA_KINDS": KINDS, **variables}.items():
            patch.setenv(name, str(value))
        _forget()
        yield
    _forget()


def _forget() -> None:
    forget()
    catalogue._found.cache_clear()
