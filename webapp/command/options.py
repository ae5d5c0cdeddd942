"""The options of a kind on the command line: made from the JSON schema of its params, as its form is."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import click

Schema = dict[str, Any]
OWN = (
    "params",
    "sample",
    "run-at",
    "notify-mail",
    "notify-webhook",
    "idempotency-key",
    "wait",
    "out",
    "save",
    "resume",
    "help",
)


class Param(NamedTuple):
    """A param of a kind. `option` sets it; `many`: it is a list; `file`: its values are files."""

    name: str
    option: click.Option
    many: bool
    file: bool


class JsonText(click.ParamType[Any]):
    """A value in JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"this is no JSON: {error}", param, ctx)


class FileReference(click.types.StringParamType):
    """A path, an id of a file, or the name of a sample."""

    name = "file"


class PairText(click.ParamType[Any]):
    """One entry of a mapping."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, sign, text = str(value).partition("=")
        if not sign:
            self.fail(f"{value!r} has no =; write it as name=value", param, ctx)
        return name, text


def params_of(schema: Schema) -> list[Param]:
    """All params, in the form's order: those of its closed section last."""
    required = schema.get("required", [])
    whole = [(name, _resolved(each, schema)) for name, each in schema.get("properties", {}).items()]
    whole.sort(key=lambda one: bool(one[1].get("advanced")))
    return [_param(name, each, name in required) for name, each in whole]


def option_name(name: str) -> str:
    """What the option of a param is called: --like-this."""
    plain = name.replace("_", "-")
    return f"--param-{plain}" if plain in OWN else f"--{plain}"


def _resolved(prop: Schema, schema: Schema) -> Schema:
    """The schema of one value, without references and the alternative null."""
    if ref := prop.get("$ref"):
        return {**schema["$defs"][ref.rpartition("/")[2]], **prop}
    choices = [one for one in prop.get("anyOf", []) if one.get("type") != "null"]
    return {**_resolved(choices[0], schema), **prop, "nullable": True} if len(choices) == 1 else prop


def _param(name: str, prop: Schema, required: bool) -> Param:
    kind = prop.get("type")
    items = prop.get("items", {})
    many = kind == "array" and items.get("type") in ("string", "number", "integer")
    file = "legwork-file" in (prop.get("format"), items.get("format"))
    pairs = kind == "object" and prop.get("additionalProperties", {}) not in ({}, True) and _is_text(prop)
    more: dict[str, Any] = {}
    if prop.get("widget") == "secret":
        more = {"prompt": prop["title"], "prompt_required": False, "hide_input": True}
    flag = f"/--no-{name.replace('_', '-')}" if kind == "boolean" else ""
    option = click.Option(
        [f"{option_name(name)}{flag}", f"p_{name}"],
        type=_type(items if many else prop, file, pairs),
        multiple=many or pairs,
        default=None,
        help=_help(prop, required, many),
        **more,
    )
    return Param(name, option, many, file)


def _is_text(prop: Schema) -> bool:
    return bool(prop["additionalProperties"].get("type") == "string")


def _type(prop: Schema, file: bool, pairs: bool) -> click.ParamType[Any]:
    if pairs:
        return PairText()
    if choices := [str(one) for one in prop.get("enum", []) if one is not None]:
        return click.Choice(choices)
    if file:
        return FileReference()
    plain: dict[str, click.ParamType[Any]] = {"string": click.STRING, "integer": click.INT, "number": click.FLOAT}
    return plain.get(prop.get("type", ""), click.BOOL if prop.get("type") == "boolean" else JsonText())


def _help(prop: Schema, required: bool, many: bool) -> str:
    """The form's label and explanation, the limits, and the default."""
    text = str(prop.get("title", "")).strip()
    if said := prop.get("description"):
        text += f". {said}"
    least, most = prop.get("minimum"), prop.get("maximum")
    limits = f"{least} to {most}" if None not in (least, most) else ""
    facts = [" ".join(filter(None, (limits, prop.get("unit", ""))))]
    facts += ["may be repeated"] if many else []
    facts += ["required"] if required else []
    default = prop.get("default")
    if default not in (None, "", [], {}):
        facts.append(f"default: {default if isinstance(default, str) else json.dumps(default)}")
    shown = "; ".join(filter(None, facts))
    return f"{text.rstrip('.')}. [{shown}]" if shown else f"{text.rstrip('.')}."
