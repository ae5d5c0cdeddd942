"""What is looked at again and again, from outside."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.chaos.installation import House

SERVING = ("web", "worker", "rq worker", "spare", "clock")
TABLES = """
    select relname, pg_total_relation_size(oid) / 1e6 from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_total_relation_size(oid) > 4e6
"""
CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database()"
PAGE = os.sysconf("SC_PAGE_SIZE")


class Figures:
    """`values`: each figure by its name, one value a look."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.values: dict[str, list[float]] = defaultdict(list)

    def look(self) -> None:
        self._processes()
        with suppress(psycopg.OperationalError), psycopg.connect(self._dsn()) as connection:
            found = connection.execute(CONNECTIONS).fetchone()
            self._note("connections to Postgres", found[0] if found else 0)
            for name, size in connection.execute(TABLES):
                self._note(f"megabytes of table {name}", float(size))
        with self._house.broker() as broker:
            self._note("keys in Redis", broker.dbsize())
            self._note("megabytes of Redis", broker.info("memory")["used_memory"] / 1e6)
        self._note("folders in the temporary folder", len(list(Path(tempfile.gettempdir()).glob("legwork-*"))))

    def _processes(self) -> None:
        memory: Counter[str] = Counter()
        descriptors: Counter[str] = Counter()
        for each in self._house.app.processes():
            if each.role in SERVING:
                with suppress(OSError):
                    memory[each.role] = max(memory[each.role], _resident(each.pid))
                    descriptors[each.role] = max(descriptors[each.role], len(os.listdir(f"/proc/{each.pid}/fd")))
        for role in memory:
            self._note(f"megabytes of a {role}", memory[role] / 1e6)
            self._note(f"descriptors of a {role}", descriptors[role])

    def _note(self, name: str, value: float) -> None:
        self.values[name].append(round(value, 1))

    def _dsn(self) -> str:
        return self._house.postgres.url.replace("+psycopg", "")


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
