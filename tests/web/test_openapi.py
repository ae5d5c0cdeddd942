"""The description of the API is valid, whole, and true of what the API answers."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobs.engine.kinds import catalogue
from webapp import openapi
from webapp.api.records import Body, Record


@pytest.fixture
def description(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return found


@pytest.mark.slow
def test_it_is_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()] == []


def test_every_route_is_described_and_nothing_else(app: Flask, description: dict[str, Any]) -> None:
    there = {
        (re.sub(r"<(?:\w+:)?\w+>", "{}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    submit = "/api/v1/kinds/{}/jobs"
    described = {
        (re.sub(r"\{\w+\}", "{}", re.sub(r"^/kinds/\w+/jobs$", "/kinds/{}/jobs", f"{path}")), method.upper())
        for path, operations in description["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert {(f"/api/v1{path}", method) for path, method in described} == there
    assert (submit, "POST") in there


def test_each_kind_has_an_operation_with_its_typed_body(description: dict[str, Any]) -> None:
    for kind in catalogue.kinds():
        if not kind.available:
            continue
        operation = description["paths"][f"/kinds/{kind.name}/jobs"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert operation["operationId"] == f"submit_{kind.name}"
        assert list(_validator(description, content["schema"]).iter_errors(content["example"])) == []


def test_operation_names_are_unique(description: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for operations in description["paths"].values()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    assert len(names) == len(set(names))


def test_no_two_records_have_one_name() -> None:
    def below(model: type[Record] | type[Body]) -> set[type[Record] | type[Body]]:
        return {
            sub for one in model.__subclasses__() for sub in {one} | below(one) if sub.__module__.startswith("webapp.")
        }

    names = Counter(openapi.schema_name(one.__name__) for one in below(Record) | below(Body))
    assert len(names) > 50
    assert [name for name, count in names.items() if count > 1] == []


def test_descriptions_are_sentences(description: dict[str, Any]) -> None:
    """A summary says what an operation does: it begins with a verb and has no full stop."""
    operations = [one for path in description["paths"].values() for name, one in path.items() if name != "parameters"]
    assert [one["summary"] for one in operations if not re.fullmatch(r"[A-Z][a-z]+ .*[^.]", one["summary"])] == []
    ours = {name: one for name, one in description["components"]["schemas"].items() if "." not in name}
    said = list(_descriptions([ours, [one["responses"] for one in operations], description["components"]["responses"]]))
    assert len(said) > 100
    assert [text for text in said if not re.fullmatch(r"[A-Z0-9`].*\.|null .*\.", text, re.S)] == []


def _descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("description"), str):
            yield value["description"]
        yield from (text for inner in value.values() for text in _descriptions(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _descriptions(inner))


def test_it_is_sent_once(client: FlaskClient) -> None:
    first = client.get("/api/v1/openapi.json")
    again = client.get("/api/v1/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")


def test_what_the_api_answers_is_what_it_describes(client: FlaskClient, description: dict[str, Any]) -> None:
    job = client.post("/api/v1/kinds/nap/jobs", json={"naps": 1})
    address = job.headers["Location"]
    kept = client.post("/api/v1/files", data={"file": (io.BytesIO(b"a\n1\n"), "x.csv")})
    answers = [
        ("/kinds", "get", client.get("/api/v1/kinds")),
        ("/kinds/{kind}", "get", client.get("/api/v1/kinds/nap")),
        ("/kinds/nap/jobs", "post", job),
        ("/kinds/nap/jobs", "post", client.post("/api/v1/kinds/nap/jobs", json={"nap": 1})),
        ("/kinds/nap/jobs", "post", client.post("/api/v1/kinds/nap/jobs", data="x")),
        ("/jobs", "get", client.get("/api/v1/jobs")),
        ("/jobs", "get", client.get("/api/v1/jobs?limit=0")),
        ("/jobs/{job}", "get", client.get(address)),
        ("/jobs/{job}", "delete", client.delete(address)),
        ("/jobs/{job}/items", "get", client.get(f"{address}/items")),
        ("/jobs/{job}/log", "get", client.get(f"{address}/log")),
        ("/jobs/{job}/cancel", "post", client.post(f"{address}/cancel")),
        ("/jobs/{job}/retry", "post", client.post(f"{address}/retry")),
        ("/files", "post", kept),
        ("/documents", "get", client.get("/api/v1/documents")),
        ("/documents/{document}", "get", client.get("/api/v1/documents/x")),
        ("/search", "get", client.get("/api/v1/search?q=x")),
        ("/search", "get", client.get("/api/v1/search")),
        ("/files/{file}", "get", client.get("/api/v1/files/x")),
        ("/operations", "get", client.get("/api/v1/operations")),
        ("/queues/{queue}/pause", "post", client.post("/api/v1/queues/attic/pause")),
    ]
    for path, method, answer in answers:
        described = _resolved(description, description["paths"][path][method]["responses"][str(answer.status_code)])
        assert answer.mimetype in described["content"], path
        schema = described["content"][answer.mimetype]["schema"]
        assert [
            error.message for error in _validator(description, schema).iter_errors(answer.get_json(force=True))
        ] == []


def _validator(description: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Of a schema whose references point into the description."""
    return Draft202012Validator(schema | {"components": description["components"]})


def _resolved(description: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rsplit("/", 1)[-1]
    found: dict[str, Any] = description["components"]["responses"][name] if name else response
    return found


def test_generated_clients_have_every_operation_and_send_files(description: dict[str, Any]) -> None:
    """Generators name classes by titles, and send as a file what has the format binary."""
    titles = Counter(one["title"] for one in description["components"]["schemas"].values() if "title" in one)
    assert [title for title, times in titles.items() if times > 1] == []
    submitted = [name for name in description["components"]["schemas"] if name.endswith(".Params")]
    assert len(submitted) > 5
    assert all("title" in description["components"]["schemas"][name] for name in submitted)
    upload = description["paths"]["/files"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert upload["properties"]["file"]["format"] == "binary"
