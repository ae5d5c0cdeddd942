"""`python -m jobs doctor`: what it says of a whole house, and of one with a part missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.engine import accounts
from jobs.engine.embedded import discovery
from jobs.engine.operations import doctor as doctor_parts
from jobs.engine.operations.health import clock_health
from jobs.engine.queue import pauses, queries
from jobs.engine.settings import read
from tests.engine.workers import CODE, running, until
from tests.fake_provider import FakeProvider
from tests.mail_server import MailServer


def doctor(**variables: str) -> tuple[int, list[str]]:
    """Its exit code and its lines, each with single blanks."""
    command = [sys.executable, "-m", "jobs", "doctor"]
    ended = subprocess.run(command, cwd=CODE, env=os.environ | variables, capture_output=True, text=True, timeout=120)
    return ended.returncode, [" ".join(line.split()) for line in ended.stdout.splitlines()]


def line(lines: list[str], name: str) -> str:
    return next(one for one in lines if one.partition(" ")[2].startswith(name))


@pytest.mark.slow
def test_a_whole_house_is_well(environment: Callable[..., None]) -> None:
    with running("--processes", "1"):
        until(queries.served_queues)
        until(lambda: clock_health().state == "ok")
        code, lines = doctor()
    assert code == 0, lines
    assert lines[-1] == "Nothing is wrong."
    assert line(lines, "Queue mail") == "ok Queue mail 1 worker serves it. 0 waiting, 0 running."
    assert line(lines, "Clock").startswith("ok Clock Last round")
    assert line(lines, "Mail").startswith("off Mail Not sent")
    assert re.match(r"ok Connections Up to \d+ for each web, 4 for 1 worker: \d+ of \d+.", line(lines, "Connections"))
    assert re.match(r"ok Broker connections Up to \d+ for each web, 5 for 1 worker: \d+ of", line(lines, "Broker con"))
    assert re.match(r"ok Memory [\d,]+ MB in this (machine|container). A", line(lines, "Memory"))
    assert line(lines, "Model").startswith("off Model Not connected")
    assert line(lines, "Sandbox").startswith("ok Sandbox Processes that read untrusted files have no network.")


@pytest.mark.slow
def test_each_thing_that_is_wrong_has_its_advice(environment: Callable[..., None], tmp_path: Path) -> None:
    pauses.pause("mail", owner="local")
    code, lines = doctor(REDIS_URL=f"unix://{tmp_path}/nobody.sock", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert code == 1
    assert line(lines, "Database").startswith("ok Database Answers in")
    assert line(lines, "Broker").startswith("wrong Broker Does not answer. Start Redis again, or check REDIS_URL.")
    assert line(lines, "Clock").endswith("`python -m jobs worker`.")
    assert "Look at OPENAI_BASE_URL" in line(lines, "Model")
    assert line(lines, "Queue io").endswith("Start a worker: `python -m jobs worker --queues io`.")
    assert line(lines, "Queue mail").startswith("off Queue mail Paused by local.")
    assert lines[-1] == "5 things are wrong."


@pytest.mark.slow
def test_a_model_that_the_provider_does_not_offer_is_named(environment: Callable[..., None]) -> None:
    with FakeProvider() as provider:
        given = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk-test", "OPENAI_MODEL": "gpt-9"}
        _, lines = doctor(**given)
        assert "no model “gpt-9”. It offers: fake-small, fake-large. Look at OPENAI_MODEL." in line(lines, "Model")
        _, lines = doctor(**given | {"OPENAI_MODEL": "fake-large"})
        assert line(lines, "Model").startswith("ok Model Answers")


@pytest.mark.slow
def test_a_database_of_another_version_is_told(environment: Callable[..., None], empty_database_url: str) -> None:
    code, lines = doctor(DATABASE_URL=empty_database_url)
    assert code == 1
    assert line(lines, "Database").endswith("Run `python -m jobs migrate`.")


@pytest.mark.slow
def test_a_setting_that_cannot_be_read_is_named(environment: Callable[..., None]) -> None:
    code, lines = doctor(PORT="lots")
    assert (code, lines[0]) == (
        1,
        "wrong Settings Cannot be used. PORT is 'lots'; it must be a whole number from 1 to 65535.",
    )


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_named(environment: Callable[..., None], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("This is where a folder should be.")
    code, lines = doctor(DATA_DIR=str(blocked))
    assert code == 1
    assert line(lines, "Files").startswith("wrong Files Cannot be written.")


@pytest.mark.slow
def test_the_mail_server_is_tried(environment: Callable[..., None]) -> None:
    with MailServer() as server:
        _, lines = doctor(SMTP_URL=server.url)
        assert line(lines, "Mail").startswith("ok Mail Answers. Through 127.0.0.1")
    _, lines = doctor(SMTP_URL="smtp://127.0.0.1:9")
    assert line(lines, "Mail").startswith("wrong Mail Cannot be sent. The mail server 127.0.0.1:9 cannot be reached")


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_beside_a_running_app_its_own_parts_are_found(tmp_path: Path, database_url: str, redis_url: str) -> None:
    chosen = read({"DATA_DIR": str(tmp_path)})
    discovery._remember(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    assert oct((tmp_path / discovery.ADDRESSES).stat().st_mode & 0o777) == "0o600"
    assert discovery.remembered(chosen.data_dir)["REDIS_URL"] == redis_url
    _, lines = doctor(DATA_DIR=str(tmp_path), DATABASE_URL="", REDIS_URL="")
    assert line(lines, "Database").startswith("ok Database")
    assert line(lines, "Broker").startswith("ok Broker")


def test_a_proxy_that_is_not_named_is_told(environment: Callable[..., None]) -> None:
    def told() -> list[str]:
        return [part.words for part in doctor_parts._proxy_parts([])]

    for place, name in enumerate(("root", "ben", "vera")):
        assert told() == []
        accounts.add(name, "member" if place else "admin", "four plain words here")
        accounts.sign_in_by_password(name, "four plain words here", address="10.0.0.7", browser="")
    assert told() == ["All people sign in from 10.0.0.7"]
    environment(TRUSTED_PROXIES="10.0.0.7")
    assert told() == []
    environment(TRUSTED_PROXIES=None)
    accounts.sign_in_by_password("ben", "four plain words here", address="10.0.0.8", browser="")
    assert told() == []
