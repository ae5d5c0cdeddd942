"""Accounts for tests, and their browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from jobs.engine import accounts
from jobs.engine.accounts import Account

PASSWORD = "four plain words here"


@dataclass
class Person:
    """An account, and a browser that is signed in to it."""

    account: Account
    client: FlaskClient

    @property
    def owner(self) -> str:
        return self.account.owner

    def csrf(self) -> str:
        return hidden(self.client.get("/jobs").text)

    def post(self, path: str, **fields: Any) -> Any:
        return self.client.post(path, data={"csrf_token": self.csrf(), **fields})

    def token(self, scope: str = "write") -> dict[str, str]:
        """The header of a new token."""
        return {"Authorization": f"Bearer {accounts.issue_token(self.account, 'a test', scope, 7)[1]}"}


def hidden(page: str) -> str:
    return re.findall(r'name="csrf_token" value="([^"]*)"', page)[0]


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, **more: Any) -> Any:
    token = hidden(client.get("/login").text)
    return client.post("/login", data={"csrf_token": token, "name": name, "password": password, **more})


def person(app: Flask, name: str, role: str = "member") -> Person:
    """A new account and its browser."""
    account = accounts.add(name, role, PASSWORD)
    client = app.test_client()
    assert sign_in(client, name).status_code == 303
    return Person(account, client)
