"""A site on a database of its own, with the specimens among its kinds; one a module, since making one takes a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs.engine import catalogue
from jobs.engine.embedded.redis import Redis
from tests.conftest import OURS, Database, forget

KINDS = "tests.specimens,tests.pages.kinds"


@pytest.fixture(scope="module")
def app(fresh_database: Database, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    from webapp import create_app

    with (
        fresh_database() as url,
        _environment(DATABASE_URL=url, REDIS_URL=redis.url, DATA_DIR=tmp_path_factory.mktemp("data")),
    ):
        yield create_app({"TESTING": True})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


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
