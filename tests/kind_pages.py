"""`python -m tests.kind_pages`: a page for each kind into docs/kinds/, out of its docstring and its params. `make docs`."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
from jobs.engine.kinds import catalogue
from jobs.engine.kinds.definition import Kind

FOLDER = Path(__file__).parents[1] / "docs" / "kinds"
MADE = "<!-- Made by `make docs` out of jobs/{name}.py. Change it there. -->"
QUEUES = {"io": "waits for models and networks", "cpu": "works this machine", "mail": "waits for mail servers"}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


def pages() -> dict[str, str]:
    """The text of each page, by its file name."""
    kinds = list(_kinds())
    return {"README.md": _contents(kinds), **{f"{kind.name}.md": _page(kind) for kind in kinds}}


def _kinds() -> Iterator[Kind]:
    """The kinds that are offered, in the order of the catalogue page. Those of other packages have no page here."""
    loaded = [catalogue.load(f"jobs.{one.name}") for one in pkgutil.iter_modules(jobs.__path__) if not one.ispkg]
    there = [kind for kind in loaded if kind.module and not kind.hidden and kind.name[0] != "_"]
    yield from sorted(there, key=lambda kind: (catalogue.GROUPS.index(kind.group), kind.title))


def _contents(kinds: list[Kind]) -> str:
    lines = ["<!-- Made by `make docs`. -->", "", "# The kinds of job", ""]
    lines += [
        "Each is one file in `jobs/`; its form, its page and its API come from there, and so does its page here.",
        "[add-a-kind.md](../add-a-kind.md) builds one.",
    ]
    for group in catalogue.GROUPS:
        rows = [f"| [{kind.title}]({kind.name}.md) | {kind.summary} |" for kind in kinds if kind.group == group]
        lines += ["", f"## {group}", "", "| | |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _page(kind: Kind) -> str:
    schema = kind.schema()
    required = schema.get("required", [])
    found = schema["properties"].items()
    rows = [row for name, prop in found for row in (_row(name, prop, name in required, schema), *_parts(name, prop))]
    example = json.dumps(kind.example, ensure_ascii=False, indent=2)
    lines = [
        MADE.format(name=kind.name),
        "",
        f"# {kind.title}",
        "",
        kind.text,
        "",
        f"`{kind.name}`, of *{kind.group}*, on the queue `{kind.queue}`: it {QUEUES[kind.queue]}. Its items are {kind.noun[1]}.",
        f"A job may take {_hours(kind.time_limit)}; an error that may pass is tried {kind.max_attempts} times.",
        "",
        "## Params",
        "",
        "| name | | takes | default |",
        "|---|---|---|---|",
        *rows,
        "",
        "## An example",
        "",
        f"`POST /api/v1/kinds/{kind.name}/jobs` with",
        "",
        "```json",
        example,
        "```",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, prop: dict[str, Any], required: bool, schema: dict[str, Any]) -> str:
    said = f"**{_cell(prop.get('title', name))}**. {_cell(prop.get('description', ''))}".rstrip()
    default = "needed" if required else _default(prop.get("default"))
    return f"| `{name}` | {said} | {_takes(prop, schema)} | {default} |"


def _parts(name: str, prop: dict[str, Any]) -> list[str]:
    """A row for each value of a mapping whose contents are declared."""
    shapes = prop.get("shapes", {"by": "", "of": {"": prop["shape"]} if "shape" in prop else {}})
    found: dict[str, list[str]] = {}
    for value, shape in shapes["of"].items():
        required = shape.get("required", ())
        for part, inner in shape.get("properties", {}).items():
            row = _row(f"{name}.{part}", inner, part in required, shape)
            found.setdefault(row, []).append(f"`{value}`")
    by = shapes["by"]
    return [
        row.replace(" | ", f" | If `{by}` is {' or '.join(values)}: ", 1) if by else row
        for row, values in found.items()
    ]


def _takes(prop: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a param takes, in words, with its limits."""
    core = _core(prop, schema)
    if core.get("format") == "legwork-file":
        return "a table" if core.get("accept") == "table" else "a file"
    if "enum" in core or "const" in core:
        return ", ".join(f"`{one}`" for one in core.get("enum", [core.get("const")]) if one not in ("", None))
    kind = core.get("type")
    if isinstance(core.get("additionalProperties"), dict) and (ways := _ways(core["additionalProperties"])):
        return f"object; each value is {ways}"
    if kind == "array":
        return f"list of: {_takes(core.get('items', {}), schema)}"
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{_limits(core)}"
    return {"string": "text", "boolean": "true or false", "object": "object"}.get(str(kind), "JSON")


def _ways(inner: dict[str, Any]) -> str:
    """Objects that are told apart by a constant, in words."""
    ways = [way for part in inner.get("anyOf", [inner]) for way in part.get("oneOf", [])]
    named = [(next(v["const"] for v in way["properties"].values() if "const" in v), way["properties"]) for way in ways]
    tag = next((name for way in ways for name, v in way["properties"].items() if "const" in v), "")
    said = [f"`{name}` ({', '.join(one for one in held if one != tag)})" for name, held in named]
    return f"a number, or an object whose `{tag}` is {', '.join(said)}" if said else ""


def _core(prop: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The one schema behind a reference and `| None`; where several types are possible, none."""
    if "$ref" in prop:
        return _core(schema["$defs"][prop["$ref"].rsplit("/", 1)[-1]], schema)
    others = [part for part in prop.get("anyOf", [prop]) if part.get("type") != "null"]
    if len(others) != 1:
        return {}
    return prop if others[0] is prop else {**prop, **_core(others[0], schema)}


def _limits(core: dict[str, Any]) -> str:
    low, high = (_number(core[name]) if name in core else "" for name in ("minimum", "maximum"))
    between = (
        f", {low} to {high}" if low and high else f", at least {low}" if low else f", at most {high}" if high else ""
    )
    return f"{between} {core.get('unit', '')}".rstrip()


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if value in ("", [], {}):
        return "empty"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} hours" if seconds >= 7200 else f"{seconds // 60} minutes"


if __name__ == "__main__":
    main()
