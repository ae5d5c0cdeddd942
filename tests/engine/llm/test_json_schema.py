"""Schemas of answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from referencing import Registry

from jobs.engine.llm.json_schema import mismatch, schema_error
from tests.fake_provider import FakeProvider

MOOD = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"]}


@pytest.mark.parametrize(
    "schema",
    [MOOD, {"type": "object", "$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}}],
    ids=["plain", "reference"],
)
def test_a_schema_that_can_be_used(schema: dict[str, Any]) -> None:
    assert schema_error(schema) is None


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objct"}, "not a JSON schema"),
        ({"type": "array"}, "must describe an object"),
        ({}, "must describe an object"),
        ({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}, "#/nowhere leads nowhere"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "leads nowhere"),
        ({"type": "object", "patternProperties": {"(": {}}}, "not a JSON schema"),
    ],
)
def test_a_schema_that_cannot(schema: dict[str, Any], said: str) -> None:
    assert said in (schema_error(schema) or "")


def test_many_references_search_the_schema_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from referencing import Registry

    crawls: list[int] = []
    crawl = Registry.crawl
    monkeypatch.setattr(Registry, "crawl", lambda self: crawls.append(1) or crawl(self))
    properties = {f"p{place}": {"$ref": f"#x{place % 1_000}"} for place in range(3_000)}
    anchors = {f"x{place}": {"$anchor": f"x{place}", "type": "string"} for place in range(1_000)}
    assert schema_error({"type": "object", "properties": properties, "$defs": anchors}) is None
    assert len(crawls) <= 2
    more = {f"p{place}": {"$ref": f"#x{place}"} for place in range(2_001)}
    assert "more than 2,000" in (schema_error({"type": "object", "properties": more}) or "")


def test_a_reference_is_never_fetched() -> None:
    with FakeProvider() as provider:
        provider.script(do=[])
        schema = {"type": "object", "properties": {"a": {"$ref": f"{provider.base_url}/models"}}}
        assert "leads nowhere" in (schema_error(schema) or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mood": "good"}', None),
        ('{"mood": "so so"}', "'so so' is not one of"),
        ("{}", "'mood' is a required property"),
        ("[]", "is not of type 'object'"),
        ("good", "it is not JSON."),
        ('{"mood": "good"', "it is not JSON."),
    ],
)
def test_whether_an_answer_fits(text: str, said: str | None) -> None:
    found = mismatch(text, MOOD)
    assert found is None if said is None else said in (found or "")


def test_a_schema_without_end_is_no_crash() -> None:
    endless = {"type": "object", "allOf": [{"$ref": "#"}]}
    assert schema_error(endless) is None
    assert "too deeply" in (mismatch("{}", endless) or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"properties": {"a": {"allOf": [{"pattern": "^(a|a)*$"}, {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}]}}},
        {"patternProperties": {"^(a+)+$": False}, "required": ["a"]},
        {"patternProperties": {"^(a+)+$": True}, "additionalProperties": False},
        {"propertyNames": {"pattern": "^(a+)+$"}},
        {"$defs": {"x": {"pattern": "^(a+)+$"}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
        {"patternProperties": {"^(a+)+$": True}, "unevaluatedProperties": False},
    ],
)
def test_no_pattern_takes_longer_than_its_text(schema: dict[str, Any]) -> None:
    """Python's `re` would need longer than the test's time limit for 5,000 letters: each doubles it."""
    many = "a" * 5_000 + "!"
    if schema_error({"type": "object"} | schema) is None:
        assert mismatch(json.dumps({"a": many, many: 1}), {"type": "object"} | schema) is not None


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "((a{500}){500}){500}"])
def test_a_pattern_that_cannot_be_bounded_is_refused(pattern: str) -> None:
    assert "cannot be used" in str(schema_error({"type": "object", "properties": {"a": {"pattern": pattern}}}))
    assert "cannot be used" in str(schema_error({"type": "object", "patternProperties": {pattern: True}}))
    assert schema_error({"type": "object", "properties": {"pattern": {"const": {"pattern": pattern}}}}) is None


def test_patterns_are_searched_for_as_json_schema_says() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"pattern": r"\d+-[A-Z]"}},
        "patternProperties": {"^x_": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert schema_error(schema) is None
    assert mismatch('{"a": "no 12-B", "x_1": 2}', schema) is None
    assert "does not match" in str(mismatch('{"a": "12-b"}', schema))
    assert "is not of type" in str(mismatch('{"x_1": "two"}', schema))
    assert "Additional properties" in str(mismatch('{"y": 1}', schema))


def test_a_schema_is_searched_for_its_anchors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searching for each reference of an answer took minutes for 8,000 of them."""
    searched: list[Registry[Any]] = []
    crawl = Registry.crawl
    monkeypatch.setattr(Registry, "crawl", lambda registry: searched.append(registry) or crawl(registry))
    names = {f"p{place}": {"$ref": f"#x{place}"} for place in range(90)}
    anchors = {f"x{place}": {"$anchor": f"x{place}", "type": "string"} for place in range(90)}
    schema = {"type": "object", "properties": names, "$defs": anchors}
    assert mismatch(json.dumps(dict.fromkeys(names, "a")), schema) is None
    assert "1 is not of type 'string'" in str(mismatch(json.dumps(dict.fromkeys(names, 1)), schema))
    assert len(searched) == 1
