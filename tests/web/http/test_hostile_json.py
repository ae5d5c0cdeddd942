"""Bodies that are no body, to every operation of the API that takes one: refused in a word, and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask

from tests.web import signed_in
from tests.web.jobs.test_api import MALFORMED, UNFIT, assert_problem
from tests.web.page_walk import kept, things_of
from tests.web.signed_in import Person

PLACES = {"job": "job", "schedule": "schedule", "conversation": "talk"}
STRANGE = [body for body, field in UNFIT.values() if not field] + [b"true", b"0", b'["a"]', b'""']
NOT_OURS = [
    *("owner", "id", "state", "lease", "lease_token", "created_at", "priority", "timeout", "time_limit", "is_admin"),
    *("__proto__", "constructor", "$ref", "", "x" * 300_000, "\u202e", "'; drop table jobs; --"),
]
UNKEEPABLE = ['"\\u0000"', '"\\ud800"', str(2**70), "[" * 60 + "99999999999999999999" + "]" * 60]
TYPES = ["text/plain", "text/json", "application/jsonp", "application/x-www-form-urlencoded", "multipart/form-data", ""]


class Operation(NamedTuple):
    """One that takes JSON, at an address that is there. `fields`: what its body may hold."""

    method: str
    address: str
    fields: list[str]


@pytest.fixture(scope="module")
def root(app: Flask) -> Person:
    return signed_in.person(app, "root", "admin")


@pytest.fixture(scope="module")
def operations(app: Flask, root: Person) -> list[Operation]:
    description = app.test_client().get("/api/v1/openapi.json", headers=root.token("read")).get_json()
    ids = {"approval": "1"} | {name: things_of(root)[thing] for name, thing in PLACES.items()}
    found = []
    for path, operations in description["paths"].items():
        if path.startswith("/kinds/") and path != "/kinds/nap/jobs":
            continue
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if method != "parameters" else {}
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                schema = description["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
                found.append(Operation(method.upper(), f"/api/v1{path.format(**ids)}", list(schema["properties"])))
    return found


@pytest.fixture(autouse=True)
def nothing_changed(operations: list[Operation]) -> Iterator[None]:
    before = kept()
    yield
    assert kept() == before


@pytest.fixture(scope="module")
def send(app: Flask, root: Person) -> Any:
    client, token = app.test_client(), root.token()

    def sent(operation: Operation, body: bytes | str, content_type: str = "application/json") -> Any:
        return client.open(
            operation.address, method=operation.method, data=body, content_type=content_type, headers=token
        )

    return sent


@pytest.mark.slow
def test_what_is_not_json_is_taken_by_none(operations: list[Operation], send: Any) -> None:
    assert len(operations) > 8
    for operation in operations:
        for body in MALFORMED.values():
            assert_problem(send(operation, body), 400)


def test_what_is_no_object_is_taken_by_none(operations: list[Operation], send: Any) -> None:
    for operation in operations:
        for body in STRANGE:
            assert_problem(send(operation, body), 422)


def test_another_type_is_taken_by_none(operations: list[Operation], send: Any) -> None:
    for operation in operations:
        for content_type in TYPES:
            assert_problem(send(operation, b"{}", content_type), 415)


@pytest.mark.slow
def test_a_field_that_is_none_of_its_own_is_refused(operations: list[Operation], send: Any) -> None:
    """No row gets an owner or a state by being told so."""
    for operation in operations:
        many = {f"field {number}": number for number in range(20_000)}
        for body in [{name: "root"} for name in NOT_OURS if name not in operation.fields] + [many]:
            problem = assert_problem(send(operation, json.dumps(body)), 422)
            assert len(json.dumps(problem)) < 20_000


def test_what_cannot_be_kept_names_its_field(operations: list[Operation], send: Any) -> None:
    for operation in operations:
        for name in operation.fields:
            for value in UNKEEPABLE:
                assert_problem(send(operation, f'{{"{name}": {value}}}'), 422)


def test_a_short_field_takes_no_long_text(operations: list[Operation], send: Any) -> None:
    for operation in operations:
        for name in operation.fields:
            assert_problem(send(operation, json.dumps({name: "x" * 1_100_000})), 413)
            if "/kinds/" not in operation.address:  # what a kind takes is its own affair
                assert_problem(send(operation, json.dumps({name: "x" * 400_000})), 422)
