"""JSON schemas for answers: whether one can be used, and whether an answer fits. References are never fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

LONGEST_SENTENCE = 300
MOST_REFERENCES = 2_000


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
    references = set(_references(document))
    if len(references) > MOST_REFERENCES:
        return f"This schema has more than {MOST_REFERENCES:,} different references."
    lost = _unresolvable(references, document)
    return f"The reference {lost[:80]} leads nowhere inside this schema." if lost else None


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(json.loads(schema), registry=Registry())  # the default one would fetch from URLs


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (part[name] for name in ("$ref", "$dynamicRef") if isinstance(part.get(name), str))
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from _references(inner)


def _unresolvable(references: Iterable[str], document: dict[str, Any]) -> str | None:
    """The first reference that leads nowhere. The document is searched for anchors once."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resolver = Registry().with_resource("", DRAFT202012.create_resource(document)).crawl().resolver()
    for reference in sorted(references):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):
            return reference
    return None
