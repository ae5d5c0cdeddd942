"""JSON schemas for answers: whether one can be used, and whether an answer fits. References are never fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

LONGEST_SENTENCE = 300
MOST_REFERENCES = 2_000
_DATA = ("const", "enum", "default", "examples")  # keywords whose values are not schemas


def schema_error(schema: Mapping[str, Any]) -> str | None:
    """Why this cannot be the schema of answers, as a sentence; None where it can."""
    return _wrong(json.dumps(schema))


def mismatch(text: str, schema: Mapping[str, Any]) -> str | None:
    """Why an answer does not fit a schema that is not `wrong`; None where it does."""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(json.dumps(schema)).iter_errors(json.loads(text)))
    except ValueError:
        return "it is not JSON."
    except RecursionError:
        return "it is nested too deeply to be compared."
    return f"{error.message[:LONGEST_SENTENCE]}." if error else None


@lru_cache(maxsize=64)
def _wrong(schema: str) -> str | None:
    from jsonschema import Draft202012Validator, SchemaError

    document = json.loads(schema)
    try:
        Draft202012Validator.check_schema(document)
    except SchemaError as error:
        return f"This is not a JSON schema: {error.message[:LONGEST_SENTENCE]}."
    except RecursionError:
        return "This schema is nested too deeply."
    if document.get("type") != "object":
        return 'The schema must describe an object: its "type" must be "object".'
    if reason := _pattern_error(document):
        return reason
    references = set(_references(document))
    if len(references) > MOST_REFERENCES:
        return f"This schema has more than {MOST_REFERENCES:,} different references."
    lost = _unresolvable(references, document)
    return f"The reference {lost[:80]} leads nowhere inside this schema." if lost else None


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator, validators

    ours = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    made, document = validators.extend(Draft202012Validator, ours), json.loads(schema)
    return made(
        document, _resolver=_resolver(document)
    )  # its own would fetch from URLs, and search for each anchor anew


def _resolver(document: dict[str, Any]) -> Any:
    """What finds references within the schema, which is searched for anchors once."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resource = DRAFT202012.create_resource(document)
    base = resource.id() or ""
    return Registry().with_resource(base, resource).crawl().resolver(base)


# Patterns. Python's `re` may take for ever, for (a+)+$ from 40 letters on; the time of this engine grows with the text alone.


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> SchemaValidator:
    from pydantic_core import SchemaValidator, core_schema

    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _matches(pattern: str, text: str) -> bool:
    from pydantic_core import ValidationError

    try:
        _compiled(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, schema in patterns.items():
            for name in (name for name in instance if _matches(pattern, name)):
                yield from validator.descend(instance[name], schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in known and not any(_matches(one, name) for one in patterns)]
    if validator.is_type(allowed, "object"):
        for name in extra:
            yield from validator.descend(instance[name], allowed, path=name)
    elif extra and not allowed:
        yield ValidationError(f"Additional properties are not allowed ({', '.join(map(repr, extra))})")


def _pattern_error(document: dict[str, Any]) -> str | None:
    """Why a pattern of the schema cannot be used."""
    from pydantic_core import SchemaError

    parts = list(_schemas(document))
    for pattern in (one for part in parts for one in _patterns(part)):
        try:
            _compiled(pattern)
        except SchemaError:
            return f"The pattern {pattern[:80]!r} cannot be used: it looks around, refers back to a group, or is too large."
    if any("patternProperties" in part for part in parts) and any("unevaluatedProperties" in part for part in parts):
        return "A schema with patternProperties cannot have unevaluatedProperties too; use additionalProperties."
    return None


def _patterns(part: dict[str, Any]) -> Iterator[str]:
    named = part.get("patternProperties")
    yield from named if isinstance(named, dict) else ()
    if isinstance(pattern := part.get("pattern"), str):
        yield pattern


def _schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema that may be a schema itself."""
    if isinstance(part, dict):
        yield part
        part = [value for name, value in part.items() if name not in _DATA]
    for inner in part if isinstance(part, list) else ():
        yield from _schemas(inner)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (part[name] for name in ("$ref", "$dynamicRef") if isinstance(part.get(name), str))
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from _references(inner)


def _unresolvable(references: Iterable[str], document: dict[str, Any]) -> str | None:
    """The first reference that leads nowhere."""
    from referencing.exceptions import Unresolvable

    resolver = _resolver(document)
    for reference in sorted(references):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):
            return reference
    return None
