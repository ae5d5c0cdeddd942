"""The embedded database for commands typed by hand: the running one of this data folder, or one started meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.embedded import discovery, service
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.errors import SettingsError


@contextmanager
def with_database() -> Iterator[None]:
    """DATABASE_URL is set within. Raises SettingsError, ServiceFailed."""
    chosen = settings.current()
    if chosen.database_url:
        yield
        return
    service.make_data_dir(chosen.data_dir)
    try:
        lock = service.hold(chosen.data_dir)
    except SettingsError:  # Legwork runs there
        settings.adopt(discovery.remembered(chosen.data_dir))
        yield
        return
    with lock:
        server = Postgres(chosen.data_dir)
        server.launch()
        try:
            server.wait_ready()
            settings.adopt({"DATABASE_URL": server.url})
            yield
        finally:
            postgres.engine().dispose()
            server.stop()
