"""The whole app, started from outside by its one command, as a person would."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import _open_folder
from tests.fake_provider import FakeProvider
from tests.stories.app_process import App, Start, end, free_port, running, start, write_procfile
from tests.stories.site_client import Site


@pytest.fixture
def start_app() -> Iterator[Start]:
    """Starts apps: `start_app(SMTP_URL=…)` waits until it is ready. `data_dir=` starts on a folder used before,
    `wait=False` comes back at once, `arguments=` is given to the command, `only=["web"]` leaves out the other processes
    of the Procfile, `from_nothing=True` lets it make its Postgres itself, as does `wait=False`. All are stopped after the test."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_open_folder())

        def begin(
            *,
            data_dir: Path | None = None,
            wait: bool = True,
            arguments: tuple[str, ...] = (),
            only: Sequence[str] = (),
            from_nothing: bool = False,
            **extra: str,
        ) -> App:
            if only:
                arguments += ("--procfile", str(write_procfile(folder / "Procfile", *only)))
            app = start(
                data_dir or folder / f"data{free_port()}",
                folder,
                arguments,
                extra,
                from_nothing=from_nothing or not wait,
            )
            stack.callback(end, app)
            return app.wait_ready() if wait else app

        yield begin


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    """A model provider that counts what it was asked."""
    with FakeProvider() as server:
        yield server


@pytest.fixture(scope="session")
def with_provider(provider: FakeProvider) -> dict[str, str]:
    """The variables of an app that asks this provider and has the specimens among its kinds."""
    address = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
    return address | {"EXTRA_KINDS": "tests.sample_kinds"}


@pytest.fixture(scope="session")
def served(with_provider: dict[str, str]) -> Iterator[App]:
    """One such app for all tests that do not break it for good. The files that use it run one after the other."""
    with running(**with_provider) as app:
        yield app


@pytest.fixture
def site(served: App) -> Site:
    return Site(served.url)
