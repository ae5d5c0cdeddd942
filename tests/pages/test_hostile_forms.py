"""What a browser can be made to send, to every route there is: looking changes nothing, a form without its token neither, and
nothing that is typed or stands in an address is a fault of ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.pages import making, people
from tests.pages.people import Person
from tests.pages.test_reviewing import judged
from tests.pages.walking import FIELDS, address_of, kept, routes, send, things_of

ENDLESS = {"/api/v1/chat/answers/<id>/stream", "/chat/answers/<id>/stream"}
TAKE_QUERIES = re.compile(r'(?:args|values)\.get(?:list)?\("([\w.]+)"|bodies\.\w+\("(\w+)"')
TAKE_FIELDS = re.compile(r'form\.get(?:list)?\("([\w.]+)"')

EACH = {"NUL": "%00", "digits of elsewhere": quote("٣²"), "64 bits and more": "9" * 19}  # in one name at a time
ALL = {"long": "9" * 5_000, "markup": quote("\"'><svg onload=alert(1)>"), "line ends": "%0D%0ASet-Cookie:%20x=y"}


@pytest.fixture(scope="module")
def root(app: Flask) -> Person:
    return people.person(app, "root", "admin")


@pytest.fixture(scope="module")
def things(app: Flask, root: Person) -> dict[str, str]:
    """Whatever there is belongs to root, but for the account that is looked after: an admin's own would shut itself out."""
    return things_of(root) | {"account": str(people.person(app, "ben").account.id)}


def walked(app: Flask, things: dict[str, str], *methods: str) -> Iterator[tuple[Rule, str, str]]:
    for rule, method in routes(app):
        found = address_of(rule, things)
        if method in methods and found and rule.rule not in ENDLESS and not rule.endpoint.startswith("rq_dashboard"):
            yield rule, method, found[0]


@cache
def names_in(module: str, pattern: re.Pattern[str]) -> list[str]:
    """The names that the functions of a module take from a request."""
    source = inspect.getsource(__import__(module, fromlist=["_"]))
    return sorted(
        {name for found in pattern.findall(source) for name in ([found] if isinstance(found, str) else found)} - {""}
    )


def names_of(app: Flask, rule: Rule, pattern: re.Pattern[str]) -> list[str]:
    module = app.view_functions[rule.endpoint].__module__
    return names_in(module, pattern) if module.startswith("webapp.") else []


def test_looking_changes_nothing(app: Flask, root: Person, things: dict[str, str]) -> None:
    """A link that is followed beforehand, or stands in a picture's address, does nothing."""
    before, wrong = kept(), []
    for rule, method, address in walked(app, things, "GET"):
        send(root.client, rule, method, address).close()
        if (after := kept()) != before:
            wrong.append(f"{rule.rule} writes {[name for name in after if after[name] != before[name]]}")
            before = after
    assert not wrong, "\n".join(wrong)


def test_what_changes_something_is_not_done_by_looking(app: Flask, root: Person, things: dict[str, str]) -> None:
    looked_at = {address for _, _, address in walked(app, things, "GET")}
    tried = 0
    for rule, _, address in walked(app, things, "POST", "PUT", "PATCH", "DELETE"):
        if address not in looked_at:
            answer = root.client.get(address)
            # An address such as /chat/<id>/delete is nobody's if no rule takes it by GET.
            assert answer.status_code in (404, 405), f"{rule.rule}: {answer.status_code}"
            assert answer.status_code == 404 or answer.headers["Allow"]
            tried += 1
    assert tried > 40


@pytest.mark.parametrize("token", ["", "another session's"])
def test_without_its_token_no_form_changes_anything(
    app: Flask, root: Person, things: dict[str, str], token: str
) -> None:
    before, wrong = kept(), []
    given = people.hidden(app.test_client().get("/login").text) if token else ""
    for rule, _, address in walked(app, things, "POST"):
        if address.startswith(("/api/", "/v1/")):
            continue
        answer = root.client.post(address, data={"csrf_token": given, **FIELDS})
        if answer.status_code != 400 or "reload the page" not in answer.text:
            wrong.append(f"{rule.rule}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert kept() == before


def nonsense(names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """What it is, and values by name, written as in an address."""
    if names:
        yield from ((what, dict.fromkeys(names, value)) for what, value in ALL.items())
        yield from ((f"{name}= {what}", {name: value}) for name in names for what, value in EACH.items())


def test_nothing_in_an_address_is_a_fault(app: Flask, root: Person, things: dict[str, str]) -> None:
    wrong = []
    for rule, _, address in walked(app, things, "GET"):
        for what, values in nonsense(names_of(app, rule, TAKE_QUERIES)):
            wrong += _wrong(root.client.get(f"{address}?{_written(values)}"), f"GET {rule.rule} {what}")
    assert not wrong, "\n".join(wrong)


def test_nothing_that_is_typed_is_a_fault(app: Flask, root: Person, things: dict[str, str]) -> None:
    wrong = []
    plain = {name: quote(value) for name, value in {**FIELDS, "csrf_token": root.csrf()}.items()}
    for rule, _, _ in list(walked(app, things, "POST")):
        names = names_of(app, rule, TAKE_FIELDS)
        if not names or rule.rule.startswith(("/login", "/logout", "/account")):
            continue
        fresh = things_of(root) | {"account": things["account"]}  # one of these may delete it
        address, _ = address_of(rule, fresh) or ("", False)
        for what, values in nonsense(names):
            body = _written(plain | values)
            answer = root.client.post(address, data=body, content_type="application/x-www-form-urlencoded")
            wrong += _wrong(answer, f"POST {rule.rule} {what}")
    assert not wrong, "\n".join(wrong)
    assert root.client.get("/people").status_code == 200  # it was root all the time


def _written(values: dict[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in values.items())


def _wrong(answer: Any, what: str) -> list[str]:
    """What is wrong with an answer to nonsense."""
    with answer:
        said = answer.get_data(as_text=True) if answer.mimetype in ("text/html", "text/plain") else ""
        found = [f"{what}: {answer.status_code}"] if answer.status_code >= 500 else []
        found += [f"{what}: {word}" for word in ("Traceback", "<svg onload") if word in said]
        return found + ([f"{what}: a header"] if "x=y" in str(answer.headers.getlist("Set-Cookie")) else [])


def test_a_part_of_one_job_is_none_of_another(app: Flask, root: Person) -> None:
    mine, other = judged(0.6), judged(0.6)
    header = {"X-CSRFToken": root.csrf()}
    made = root.client.post(f"/api/v1/jobs/{mine.id}/decisions", json={"item": "1", "verdict": "block"}, headers=header)
    decision = made.get_json()["id"]
    nap = making.ended(making.waiting())
    before = kept()
    assert root.client.delete(f"/api/v1/jobs/{other.id}/decisions/{decision}", headers=header).status_code == 404
    assert root.post(f"/jobs/{other.id}/decisions/{decision}/undo").status_code == 404
    assert root.client.delete(f"/api/v1/jobs/{nap.id}/decisions/{decision}", headers=header).status_code == 404
    assert kept() == before
    assert root.client.delete(f"/api/v1/jobs/{mine.id}/decisions/{decision}", headers=header).status_code == 200
