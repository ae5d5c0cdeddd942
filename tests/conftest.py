"""Real parts for tests: one Postgres and one Redis a session, a fresh database a test.

Test modules ask for `environment` to have the engine of this process point at them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings as properties

from jobs.engine import settings
from jobs.engine.embedded.postgres import DATABASE, Postgres
from jobs.engine.embedded.redis import Redis
from tests import prepared_postgres

os.environ["FLASK_SKIP_DOTENV"] = "1"  # the developer's own .env is not for tests
CODE = Path(__file__).parents[1]
TEMPLATE = "legwork_template"
# Hundreds of processes are started: each would compile our code anew, a third of its start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What this process reads from its settings once and remembers: `forget` has it read again. By module, since most import few.
REMEMBERED = {
    "jobs.engine.settings": ("current",),
    "jobs.engine.db.postgres": ("engine", "_autocommit_engine", "unpooled_engine"),
    "jobs.engine.db.redis": ("broker",),
    "jobs.engine.files.partial": ("partial_blobs",),
    "jobs.engine.files.storage": ("blob_storage",),
    "jobs.engine.accounts.spending": ("_any",),
    "jobs.engine.accounts.users": ("_seen",),
    "jobs.engine.kind_packages": ("extra_folders",),
    "jobs.engine.kinds.catalogue": ("_loaded",),
    "jobs.engine.chat.redis_stream": ("_script",),
    "jobs.engine.llm.model_list": ("_listed",),
    "jobs.engine.llm.embeddings.warm_child": ("_home",),
    "jobs.engine.operations.overview": ("_parts",),
    "webapp.jobs.catalogue": ("_wants",),
    "webapp.openapi": ("_written",),
    "webapp.ui.theme": ("_addresses",),
}
# The files that use the app that stories share (`served`), those that harm it most last.
SERVED = (
    "stories/test_refusals.py",
    "stories/test_tables.py",
    "stories/test_column_types.py",
    "stories/test_file_names.py",
    "stories/test_retries.py",
    "stories/test_in_a_browser.py",
    "stories/test_queue.py",
    "stories/test_uploads.py",
    "stories/test_kills.py",
    "stories/test_heavy_forms.py",
)
# The files that take more than half a minute, the longest first: so that none is left alone at the end.
LONGEST = (
    *SERVED,
    "stories/test_promises.py",
    "stories/test_dyno.py",
    "stories/test_several_hosts.py",
    "test_every_kind.py",
    "stories/test_run.py",
    "stories/test_hostile_http.py",
    "stories/test_fuzz.py",
    "stories/test_streams.py",
    "stories/test_demo.py",
    "web/test_browser.py",
    "web/test_url_map.py",
    "web/test_accessibility.py",
    "stories/test_deploys.py",
    "stories/test_first_account_link.py",
    "kinds/test_agent_kills.py",
    "engine/worker/test_hard_times.py",
    "engine/worker/test_rq_worker.py",
    "engine/operations/test_backups.py",
    "engine/operations/test_doctor.py",
    "kinds/test_convert_files.py",
    "kinds/test_query_data.py",
    "engine/embedded/test_services.py",
    "engine/sandbox/test_hostile_texts.py",
    "engine/sandbox/test_hostile_properties.py",
)
# The files whose tests start a helper process each, or nearly: `make quick` leaves them out as it does slow tests.
CHILDREN = {
    "kinds/test_build_report.py",
    "kinds/test_convert_files.py",
    "kinds/test_export_data.py",
    "kinds/test_process_files.py",
    "kinds/test_query_data.py",
    "engine/kinds/test_form_process.py",
    "engine/sandbox/test_locked_duckdb.py",
    "engine/worker/test_child.py",
    "engine/worker/test_hard_times.py",
    "web/test_url_map.py",
}
PROGRAMS = {"chromium", "standing_workers", "up"}  # fixtures that start some
# The same examples for every change in CI, so that what fails is the change's fault; at home others each time.
properties.register_profile("house", deadline=None, derandomize="CI" in os.environ)
properties.load_profile("house")
_numbers = itertools.count(1)


class _Asked(dict[str, str]):
    """An environment in which nothing is set, and which notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def _names_of_settings() -> frozenset[str]:
    asked = _Asked()
    settings.read(asked)
    return frozenset(asked.names)


OURS = _names_of_settings()

Database = Callable[[], AbstractContextManager[str]]
Change = Callable[..., None]
House = Callable[..., AbstractContextManager[Change]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, several run at a time. All stories, and all tests that start programs, are slow.

    Slow ones, and those of no package, run without the tracer of coverage, which costs a third to a half: what code of ours
    they run in this process, others run too.
    """
    first = {name: place for place, name in enumerate(LONGEST)}
    places = {item: item.path.relative_to(CODE / "tests").as_posix() for item in items}
    items.sort(key=lambda item: first.get(places[item], len(first)))
    for item in items:
        if places[item].startswith("stories/") or PROGRAMS & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
        if item.get_closest_marker("slow") or "/" not in places[item]:
            item.add_marker("no_cover")
        if places[item] in CHILDREN:
            item.add_marker("slow")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file stays in one process, and so do the files that share an app: it is started once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "served" if file.removeprefix("tests/") in SERVED else file

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are closed, and root's Postgres runs as somebody else."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres(open_folder: Path) -> Iterator[Postgres]:
    """One server for the session, with a migrated database to copy from. It syncs nothing: its data is lost anyway."""
    server = prepared_postgres.copy_to(open_folder / "postgres")
    server.launch()
    try:
        server.wait_ready()
        for option in ("fsync", "full_page_writes", "synchronous_commit"):
            server.execute(f"ALTER SYSTEM SET {option} = off", "postgres")
        server.execute("SELECT pg_reload_conf()", "postgres")
        server.create_database(TEMPLATE, DATABASE)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def empty_database_url(postgres: Postgres) -> str:
    """The address of a database without tables."""
    postgres.create_database("empty")
    return postgres.url_of("empty")


@pytest.fixture(scope="session")
def fresh_database(postgres: Postgres) -> Database:
    """For fixtures of any scope: `with fresh_database() as url` gives a migrated database in which there is nothing."""
    used: deque[str] = deque()
    with psycopg.connect(postgres.url_of(TEMPLATE)) as connection:
        shape = _shape_of(connection)

    @contextmanager
    def make() -> Iterator[str]:
        name = _emptied(postgres, used, shape)
        if name is None:
            name = f"test_{next(_numbers)}"
            postgres.create_database(name, TEMPLATE)
        yield postgres.url_of(name)
        used.append(name)

    return make


@pytest.fixture
def database_url(fresh_database: Database) -> Iterator[str]:
    """The address of a migrated, empty database of this test's own."""
    with fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis(open_folder: Path) -> Iterator[Redis]:
    server = Redis(open_folder / "redis")
    server.launch()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis_url(redis: Redis) -> str:
    """The address of a Redis that is empty when the test begins, with a number of its own.

    The workers of a house that stands meanwhile are on another: they would take this test's messages, and drop them.
    """
    _empty(redis)
    return f"{redis.url}?db=1"


@contextmanager
def engine_environment(database_url: str, redis_url: str, folder: Path, **variables: str | None) -> Iterator[Change]:
    """The engine of this process uses this database, Redis and folder, and no model, for as long as this is open."""
    with pytest.MonkeyPatch.context() as patch:

        def change(**variables: str | None) -> None:
            for name, value in variables.items():
                patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)
            forget()

        ours = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "DATA_DIR": str(folder),
            "SECRET_KEY": "for tests",
        }
        change(**dict.fromkeys(OURS) | ours | variables)
        yield change
    forget()


@pytest.fixture
def environment(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Change]:
    """The engine of this process uses this test's database, Redis and folder, and no model.

    The value sets more variables: `environment(OPENAI_BASE_URL=url)`; None removes one.
    """
    with engine_environment(database_url, redis_url, tmp_path / "data") as change:
        yield change


@pytest.fixture(scope="session")
def house(fresh_database: Database, redis: Redis, open_folder: Path) -> House:
    """For fixtures of a wider scope than a test: `with house(NAME=value)` is `environment` for as long as it is open.

    The Redis is shared and emptied, so one house stands at a time.
    """

    @contextmanager
    def stand(**variables: str) -> Iterator[Change]:
        _empty(redis)
        folder = open_folder / f"house{next(_numbers)}"
        with fresh_database() as url, engine_environment(url, redis.url, folder, **variables) as change:
            yield change

    return stand


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one a test is skipped at home and fails in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return (pytest.fail if os.environ.get("CI") else pytest.skip)("There is no Chromium on the PATH.")


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of Prometheus' own checker, which .ci/run fetches where it can. Without it a test is skipped."""
    return shutil.which("promtool") or pytest.skip("There is no promtool on the PATH.")


def _empty(redis: Redis) -> None:
    import redis as client

    with client.Redis.from_url(redis.url) as connection:
        connection.flushall()


def forget() -> None:
    """Have this process read its settings anew, and open no connection that it had before."""
    from jobs.engine.db import postgres as db_postgres
    from jobs.engine.llm import connections

    connections.close_idle()
    if db_postgres.engine.cache_info().currsize:
        _wait_for_connections(db_postgres.engine())
        db_postgres.engine().dispose()
    for module, names in REMEMBERED.items():
        if module in sys.modules:
            for name in names:
                getattr(sys.modules[module], name).cache_clear()


def _wait_for_connections(engine: Any) -> None:
    """A thread that a test leaves behind gives its connection back as it ends; one that still holds it then is at fault."""
    ends = time.monotonic() + 10
    while engine.pool.checkedout() and time.monotonic() < ends:
        time.sleep(0.01)


def _emptied(postgres: Postgres, used: deque[str], shape: object) -> str | None:
    """A database that a test has used, without its rows: a copy of the template takes ten times as long, and writes 9 MB.

    The one that was used last is left alone, for a process of its test may still be about to end. None where there is no
    other; one whose tables were changed, or which has become large, is dropped.
    """
    while len(used) > 1:
        name = used.popleft()
        with psycopg.connect(postgres.url_of(name), autocommit=True) as connection:
            connection.execute(_END_OTHERS)
            if _shape_of(connection) == shape:
                connection.execute(_DELETE_ROWS)
                return name
        postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)', "postgres")
    return None


def _shape_of(connection: psycopg.Connection[Any]) -> object:
    """What a database must have in common with the template to be used again."""
    try:
        return connection.execute(_SHAPE).fetchone()
    except psycopg.errors.UndefinedTable:  # its test has put something else into it
        return None


_END_OTHERS = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
_SHAPE = """
select
    (select string_agg(version_num, ' ') from alembic_version),
    (select md5(string_agg(format('%s %s %s', relkind, relname, relnatts), ',' order by relname))
        from pg_class where relnamespace = 'public'::regnamespace),
    (select count(*) from pg_trigger),
    (select string_agg(nspname, ' ' order by nspname) from pg_namespace where nspname !~ '^pg_'),
    pg_database_size(current_database()) < 20000000
"""
_DELETE_ROWS = """
do $$
declare
    one text;
begin
    set local session_replication_role = replica;  -- no triggers, no order of tables
    for one in
        select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'
    loop
        execute format('delete from %I', one);
    end loop;
    perform setval(format('%I', sequencename)::regclass, 1, false) from pg_sequences where schemaname = 'public';
end
$$
"""


@contextmanager
def _open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="legwork-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)
