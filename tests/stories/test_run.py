"""One command starts Legwork, keeps it up, and takes all of it away again. Seen from outside, as a person would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stories.app_process import NO_MODEL, App, Start, free_port, there
from tests.stories.site_client import Site, until
from webapp.__main__ import ONE_USER

ROLES = {"web", "worker", "rq worker", "clock", "postgres", "redis", "model"}


def up(app: App) -> bool:
    return {each.role for each in app.processes()} >= ROLES


def listeners(pid: int) -> list[Any]:
    """The addresses at which a process takes connections from the network."""
    with contextlib.suppress(psutil.Error):
        return [each.laddr for each in psutil.Process(pid).net_connections("inet") if each.status == "LISTEN"]
    return []


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def submit(app: App) -> str:
    """Post the main kind's own example; the job's id."""
    example = json.loads(get(f"{app.url}/api/v1/kinds/generate_texts"))["example"]
    body = json.dumps(example).encode()
    url = f"{app.url}/api/v1/kinds/generate_texts/jobs?sample=1"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
        return json.load(answer)["id"]


def state(app: App, job: str) -> str:
    return json.loads(get(f"{app.url}/api/v1/jobs/{job}"))["state"]


def test_one_command_brings_everything_back_and_takes_it_away(start_app: Start) -> None:
    """The built-in model too: a job of the main kind runs before every process is killed, and another afterwards."""
    app = start_app(from_nothing=True)
    until(lambda: up(app), "every process being there")
    ready = f"Legwork is ready at {app.url} (Ctrl-C stops it; data in {app.data_dir}/)\n"
    until(lambda: app.said.read_text() == f"{ready}{ONE_USER}\n", "the two lines")
    assert stat.S_IMODE((app.data_dir / "secret_key").stat().st_mode) == 0o600
    before = {each.pid for each in app.processes()}
    listening = {(end.ip, end.port) for pid in before for end in listeners(pid)}
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    assert len(listening) == 2  # the web's and the model's; Postgres and Redis have sockets in the folder

    for role in ("postgres", "redis", "model", "worker", "web"):
        app.kill(role)
    until(lambda: up(app) and before.isdisjoint({each.pid for each in app.processes()}), "the return of every process")
    app.wait_ready()
    job = submit(app)
    until(lambda: state(app, job) == "succeeded", "the success of a job afterwards")
    restarts = app.said.read_text()
    assert re.search(r"^postgres was ended by signal 9; it is started again in \d+ s\. Its log: ", restarts, re.M)

    everything = [each.pid for each in app.processes()]
    assert app.stop(signal.SIGINT) == 0
    assert [pid for pid in everything if there(pid)] == []
    assert app.said.read_text() == restarts


@pytest.mark.long
def test_its_data_outlives_a_stop_and_a_kill(start_app: Start) -> None:
    """Started again right after being killed: nothing of the killed one is in the way, and nothing of it is left."""
    specimens = NO_MODEL | {"EXTRA_KINDS": "tests.sample_kinds"}
    first = start_app(**specimens)
    site = Site(first.url)
    job = site.submit("keepsake", bytes=1_000)
    assert site.ended(job)["state"] == "succeeded"
    assert first.stop() == 0
    second = start_app(data_dir=first.data_dir, **specimens)
    assert state(second, job) == "succeeded"
    everything = [each.pid for each in second.processes()]
    os.kill(second.pid, signal.SIGKILL)
    second.running.wait()
    third = start_app(data_dir=first.data_dir, **specimens)
    assert state(third, job) == "succeeded"
    until(lambda: not any(map(there, everything)), "the end of every process")


def test_two_run_side_by_side_but_not_on_one_folder(start_app: Start) -> None:
    first, second = start_app(only=["web"], **NO_MODEL), start_app(only=["web"], **NO_MODEL)
    assert get(f"{first.url}/readyz") == get(f"{second.url}/readyz")
    third = start_app(data_dir=first.data_dir, wait=False, **NO_MODEL)
    assert third.running.wait(30) == 2
    assert f"{first.data_dir} is in use by another Legwork (process {first.pid})." in third.said.read_text()


def test_a_taken_port_is_said_before_anything_starts(start_app: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = start_app(wait=False, PORT=str(port))
        assert app.running.wait(30) == 2
    assert app.said.read_text() == (
        f"PORT {port} cannot be used: address already in use. "
        "Stop the program that has it, or set PORT to another number.\n"
    )
    assert not app.data_dir.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "0.0.0.0"),
        ("PORT", "http"),
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "x"),
        ("DATA_DIR", "/proc/no"),
    ],
)
def test_a_wrong_setting_is_one_sentence(start_app: Start, name: str, value: str) -> None:
    extra = {"PORT": str(free_port()), name: value}
    data_dir = Path(value) if name == "DATA_DIR" else None
    app = start_app(wait=False, data_dir=data_dir, **extra) if name != "PORT" else start_app(wait=False, PORT=value)
    assert app.running.wait(30) == 2
    said = app.said.read_text()
    assert said.startswith(name)
    assert said.count("\n") == 1


def test_a_release_that_fails_stops_the_start(start_app: Start, tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("release: sh -c 'echo no such table; exit 3'\nweb: sleep 1000\n")
    app = start_app(wait=False, arguments=("--procfile", str(procfile)), **NO_MODEL)
    assert app.running.wait(60) == 1
    assert "ended with code 3" in app.said.read_text()
    assert "no such table" in app.said.read_text()
