"""The command for accounts, and a site that refuses to start without one."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobs.engine import accounts
from tests.engine.workers import CODE
from tests.web.signed_in import PASSWORD
from webapp.__main__ import main

OPEN = {"HOST": "0.0.0.0", "PORT": "1", "SECRET_KEY": "k" * 40}


def _run(*command: str, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=CODE, env={**os.environ, **variables}, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *command: str, typed: str = "") -> Any:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    code = main(["accounts", *command])
    out = capsys.readouterr()
    return code, out.out + out.err


def test_accounts_are_added_and_renewed_by_a_command(
    environment: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    do = functools.partial(_typed, capsys, monkeypatch)
    code, said = do("check")
    assert code == 2 and "There is no account yet" in said
    code, said = do("add", "Root", typed="short")
    assert code == 1 and "12 to 200 characters" in said
    assert do("add", "Root", typed=PASSWORD) == (0, "Added root as admin.\n")
    code, said = do("add", "root", typed=PASSWORD)
    assert code == 1 and "already" in said
    assert do("password", "root", typed="other plain words here")[0] == 0
    assert do("list") == (0, "root\tadmin\n")
    assert do("check") == (0, "")
    browser = {"address": "127.0.0.1", "browser": "a test"}
    assert accounts.identity_of_session(accounts.sign_in_by_password("root", "other plain words here", **browser))


def test_a_password_comes_from_a_variable_where_there_is_no_terminal(
    environment: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    do = functools.partial(_typed, capsys, monkeypatch)
    code, said = do("add", "Root", "--password-from-env")
    assert (code, "12 to 200 characters" in said) == (1, True)
    environment(ACCOUNT_PASSWORD=PASSWORD)
    assert do("add", "Root", "--password-from-env") == (0, "Added root as admin.\n")
    browser = {"address": "127.0.0.1", "browser": "a test"}
    assert accounts.identity_of_session(accounts.sign_in_by_password("root", PASSWORD, **browser))


@pytest.mark.slow
def test_a_site_that_others_can_reach_does_not_start_without_a_secret(environment: Callable[..., None]) -> None:
    """By its server alone, as the Procfile starts it."""
    server = ("gunicorn", "--config", "python:webapp.gunicorn", "webapp.wsgi:app")
    for wrong in ({"SECRET_KEY": "short"}, {"FIRST_ACCOUNT_SECRET": "short"}):
        code, said = _run(*server, **OPEN | wrong)
        assert code == 2 and next(iter(wrong)) in said and "32 characters" in said
