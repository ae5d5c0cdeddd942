"""Fields of a form from the JSON schema of a kind's params.

A mapping whose contents are declared has a field for each of its values: `values.tags` stands for `{"values": {"tags": …}}`. A
list or mapping of objects is one field whose texts are its rows, one after another, each with a text for every cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from jobs.engine.kinds import Kind, KindParams, label_of

NOTHING = object()
MANY = ("files", "checks", "columns", "rows")  # controls with several texts
WIDGETS = ("text", "code", "sql", "json", "secret", "line", "columns", "any")
ONCE = 8  # a mapping with that many known keys has a row for each
_PLAIN = ("string", "integer", "number")

Condition = bool | tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """One param, or a part of one, as its form shows it."""

    name: str  # of its input
    label: str
    help: str
    # line, any (a text, or a number or yes or no as JSON), text, code, sql, number, checkbox, radios, select, checks, file,
    # files, column, columns, lines, list, rows, json, secret
    control: str
    required: bool
    nullable: bool
    default: Any
    unit: str
    minimum: float | None
    maximum: float | None
    longest: int | None
    integer: bool  # it, or each of its values
    numbers: bool  # each of its values is one
    words: Mapping[str, str]  # what an option is called
    options: tuple[Any, ...]
    advanced: bool
    accept: str
    columns_of: str | None
    path: tuple[str, ...] = ()  # of its value in the params
    only_if: Mapping[str, Condition] = field(default_factory=dict)
    within: str = ""  # another field; only what is chosen there can be chosen here
    cells: tuple[Field, ...] = ()  # of a row
    keyed: bool = False  # the first cell is the key of a mapping
    chooser: str = ""  # the name of the cell that says which of the others count
    plain: bool = False  # a row is one value rather than an object
    written: bool = False  # rows are written as how(column), separated by commas
    once: bool = False  # each key has a row
    group: str = ""  # the label of the mapping that it is a part of
    pictures: Mapping[str, str] = field(default_factory=dict)  # of the options: names in static/shapes.svg

    @property
    def id(self) -> str:
        return f"f-{self.name}"

    @property
    def part(self) -> bool:
        """Whether it is a part of a mapping."""
        return len(self.path) > 1


def of_kind(kind: Kind) -> tuple[Field, ...]:
    """The fields of a kind's params."""
    return _of_model(kind.Params)


@cache
def _of_model(model: type[KindParams]) -> tuple[Field, ...]:
    return tuple(fields(model.model_json_schema()))


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a params model, in its order, from its JSON schema."""
    required = set(schema.get("required", ()))
    found = schema.get("properties", {}).items()
    every = [one for name, prop in found for one in _param(name, prop, name in required, schema)]
    optional = {one.name for one in every if one.control == "file" and not one.required}
    return [
        replace(one, only_if={one.columns_of: True, **one.only_if})
        if one.control == "column" and one.columns_of in optional
        else one
        for one in every
    ]


def _param(name: str, prop: Mapping[str, Any], required: bool, schema: Mapping[str, Any]) -> Iterator[Field]:
    """The field of a param; several where it is a mapping with known contents."""
    whole = _field(name, prop, required, schema)
    core = _merged(prop, schema)[0]
    if shapes := core.get("shapes"):
        yield from _of_shapes(whole, shapes["by"], shapes["of"])
    elif shape := core.get("shape") or (core if _is_object(core) and not whole.nullable else None):
        yield from (replace(part, group=whole.label) for part in _parts(whole, shape, schema, whole.only_if))
    else:
        yield whole


def _of_shapes(whole: Field, by: str, shapes: Mapping[str, Mapping[str, Any]]) -> Iterator[Field]:
    """The parts of a mapping whose contents depend on another field; equal parts of several shapes are one field."""
    found: dict[tuple[str, ...], list[Field]] = {}
    for value, shape in shapes.items():
        for part in _parts(whole, shape, shape, {by: (value,)}):
            known = found.setdefault(part.path, [])
            same = next((place for place, one in enumerate(known) if _alike(one, part)), None)
            if same is None:
                name = f"{part.name}:{value}" if known else part.name
                known.append(replace(part, name=name))
            else:
                values = (*_values(known[same].only_if[by]), value)
                known[same] = replace(known[same], only_if={by: values})
    for parts in found.values():
        yield from (replace(one, only_if={**whole.only_if, **one.only_if}) for one in parts)


def _values(condition: Condition) -> tuple[str, ...]:
    return () if isinstance(condition, bool) else condition


def _alike(one: Field, other: Field) -> bool:
    return replace(one, name="", only_if={}) == replace(other, name="", only_if={})


def _parts(
    whole: Field, shape: Mapping[str, Any], schema: Mapping[str, Any], only_if: Mapping[str, Condition]
) -> Iterator[Field]:
    required = set(shape.get("required", ()))
    for name, prop in shape.get("properties", {}).items():
        part = _field(f"{whole.name}.{name}", prop, name in required, schema)
        yield replace(part, path=(whole.name, name), only_if=only_if, advanced=whole.advanced)


# One field


def _field(name: str, prop: Mapping[str, Any], required: bool, schema: Mapping[str, Any]) -> Field:
    both, nullable = _merged(prop, schema)
    options = _options(both, schema)
    made = Field(
        name=name,
        label=both.get("title") or label_of(name),
        help=prop.get("description") or "",
        control=_control(both, options, schema),
        required=required,
        nullable=nullable,
        default=prop.get("default", NOTHING),
        unit=both.get("unit") or "",
        minimum=both.get("minimum", both.get("exclusiveMinimum")),
        maximum=both.get("maximum", both.get("exclusiveMaximum")),
        longest=both.get("maxLength"),
        integer="integer" in (both.get("type"), both.get("items", {}).get("type")),
        numbers=both.get("items", {}).get("type") in ("integer", "number"),
        words=both.get("words") or {},
        options=options,
        advanced=bool(both.get("advanced")),
        accept=both.get("accept") or both.get("items", {}).get("accept") or "",
        columns_of=both.get("columns_of"),
        path=(name,),
        only_if={one: _condition(said) for one, said in (both.get("only_if") or {}).items()},
        within=both.get("within") or "",
    )
    return _with_rows(made, both, schema) if made.control == "rows" else made


def _condition(said: Any) -> Condition:
    return said if isinstance(said, bool) else tuple(said)


def _merged(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    core, nullable = _core(prop, schema)
    return {**core, **{key: value for key, value in prop.items() if key not in ("anyOf", "allOf", "$ref")}}, nullable


def _core(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A property without its references and `| None`; where several types are possible, none: that is a JSON control."""
    if "$ref" in prop:
        return _core(schema.get("$defs", {}).get(prop["$ref"].rsplit("/", 1)[-1], {}), schema)
    if len(prop.get("allOf", ())) == 1:
        return _core(prop["allOf"][0], schema)
    if "anyOf" not in prop:
        return dict(prop), False
    others = [part for part in prop["anyOf"] if part.get("type") != "null"]
    nullable = len(others) < len(prop["anyOf"])
    return (_core(others[0], schema)[0] if len(others) == 1 else {}), nullable


def _options(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Any, ...]:
    source = _core(prop["items"], schema)[0] if prop.get("type") == "array" and "items" in prop else prop
    if "const" in source:
        return (source["const"],)
    return tuple(source.get("enum") or source.get("options") or ())


def _is_object(prop: Mapping[str, Any]) -> bool:
    return prop.get("type") == "object" and bool(prop.get("properties"))


def _control(prop: Mapping[str, Any], options: tuple[Any, ...], schema: Mapping[str, Any]) -> str:
    kind = prop.get("type")
    if prop.get("widget") in WIDGETS:
        return str(prop["widget"])
    if prop.get("format") == "legwork-file":
        return "file"
    if kind == "array" and prop.get("items", {}).get("format") == "legwork-file":
        return "files"
    if prop.get("rows") or _row(prop, schema) is not None:
        return "rows"
    if kind == "string" and prop.get("columns_of"):
        return "column"
    if options:
        return "checks" if kind == "array" else "radios" if len(options) <= 3 and not prop.get("advanced") else "select"
    if prop.get("format") == "password":
        return "secret"
    if kind == "array" and prop.get("items", {}).get("type") in _PLAIN:
        return "columns" if prop.get("columns_of") else "lines"
    return {"string": "line", "boolean": "checkbox", "integer": "number", "number": "number"}.get(str(kind), "json")


# Rows


def _row(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of one value of a list or mapping that a row can hold; None if it cannot be edited as rows."""
    inner = prop.get("items") if prop.get("type") == "array" else prop.get("additionalProperties")
    if not isinstance(inner, dict):
        return None
    core = _core(inner, schema)[0] or inner
    if prop.get("type") == "object" and {one.get("type") for one in core.get("anyOf", ())} > {"string"}:
        plain = all(one.get("type") in (*_PLAIN, "boolean") for one in core["anyOf"])
        return {"type": "string", "widget": "any"} if plain else None
    if prop.get("type") == "object" and core.get("type") in (*_PLAIN, "boolean"):
        return core
    return core if _is_object(core) or _variants(core, schema) else None


def _variants(inner: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alternatives of a value: objects told apart by a constant, and perhaps one plain value."""
    ways = [way for part in inner.get("anyOf", [inner]) for way in part.get("oneOf", [part])]
    found: list[Mapping[str, Any]] = [_core(way, schema)[0] for way in ways]
    fit = [way for way in found if _tag(way) or way.get("type") in _PLAIN]
    return found if len(found) > 1 and len(fit) == len(found) and any(map(_tag, found)) else []


def _tag(way: Mapping[str, Any]) -> tuple[str, str] | None:
    """The property that tells this alternative, and its value."""
    consts = [(name, str(one["const"])) for name, one in way.get("properties", {}).items() if "const" in one]
    return consts[0] if consts else None


def _with_rows(whole: Field, prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Field:
    row = prop.get("rows") or _row(prop, schema) or {}
    keyed = not prop.get("rows") and prop.get("type") == "object"
    variants = _variants(row, schema)
    chooser = next((tag[0] for one in variants if (tag := _tag(one))), "")
    if chooser:
        cells = _variant_cells(chooser, variants, schema)
    elif _is_object(row):
        cells = [_cell(name, one, row, schema) for name, one in row["properties"].items()]
    else:
        cells = [replace(_cell("value", {"title": "Value", **row}, row, schema), columns_of=whole.columns_of)]
        if whole.columns_of:
            cells = [replace(cells[0], control="column", label="Column")]
    once = keyed and bool(whole.columns_of) and 0 < len(whole.options) <= ONCE
    key = _key_cell(whole)
    return replace(
        whole,
        cells=(key, *cells) if keyed else tuple(cells),
        keyed=keyed,
        chooser=chooser,
        plain=not chooser and not _is_object(row),
        written=bool(prop.get("rows")),
        once=once,
    )


def _key_cell(whole: Field) -> Field:
    cell = _field("key", {"type": "string", "title": "Name", "words": whole.words}, False, {})
    return replace(cell, options=whole.options, control="select" if whole.options else "line")


def _cell(name: str, prop: Mapping[str, Any], row: Mapping[str, Any], schema: Mapping[str, Any]) -> Field:
    cell = _field(name, prop, name in row.get("required", ()), schema)
    control = {"radios": "select", "lines": "list", "text": "line"}.get(cell.control, cell.control)
    return replace(cell, control=control)


def _variant_cells(chooser: str, variants: list[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Field]:
    """The cell that chooses the alternative, and the cells of all of them; those of the same name are one."""
    names: dict[str, str] = {}
    pictures: dict[str, str] = {}
    label = label_of(chooser)
    cells: dict[str, Field] = {}
    for way in variants:
        value = (_tag(way) or ("", ""))[1]
        names[value], pictures[value] = way.get("title") or label_of(value), str(way.get("picture") or "")
        own = way.get("properties") or {"": {"title": "Value", "type": way.get("type"), "default": None}}
        for name, prop in own.items():
            if name == chooser:
                label = prop.get("title") or label
                continue
            cell = _cell(name, prop, way, schema)
            before = _values(cells[name].only_if[chooser]) if name in cells else ()
            cells[name] = replace(cells.get(name, cell), only_if={chooser: (*before, value)}, required=False)
    choice = _field(chooser, {"type": "string", "title": label, "words": names}, True, {})
    return [replace(choice, control="select", options=tuple(names), pictures=pictures), *cells.values()]
