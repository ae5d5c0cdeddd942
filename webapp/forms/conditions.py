"""Which fields apply: those whose conditions on other fields hold. The browser is told the same as a style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from webapp.forms.controls import YES
from webapp.forms.schema import Condition, Field

Raw = Mapping[str, str | list[str]]


def applying(found: Iterable[Field], raw: Raw) -> list[Field]:
    """The fields that count in this form."""
    fields = list(found)
    boxes = {one.name for one in fields if one.control == "checkbox"}
    return [
        one
        for one in fields
        if all(_holds(condition, raw.get(name, ""), name in boxes) for name, condition in one.only_if.items())
    ]


def _holds(condition: Condition, given: str | list[str], box: bool) -> bool:
    if isinstance(condition, bool):
        return bool(given in YES if box else given) is condition
    return any(one in condition for one in ([given] if isinstance(given, str) else given))


def style_sheet(found: Iterable[Field]) -> str:
    """Hides the fields, choices and cells that do not apply, as soon as another choice is made; no script is needed."""
    rules: list[str] = []
    fields = {one.name: one for one in found}
    for one in fields.values():
        scope = f'[id="w-{one.name}"]'
        for name, condition in one.only_if.items():
            if name in fields:
                rules.append(_hidden("#job-form", _chosen(fields[name], condition), scope, condition is not False))
        if one.within in fields:
            rules += [
                _hidden("#job-form", _chosen(fields[one.within], (str(option),)), f'[id="w-{one.name}-{place}"]', True)
                for place, option in enumerate(one.options, 1)
            ]
        for place, cell in enumerate(one.cells):
            if one.chooser in cell.only_if:
                rules.append(_hidden(f"{scope} .row", _options(cell.only_if[one.chooser]), f".cell-{place}", True))
        rules += _pictures(one, scope)
    return "\n".join(rules) + "\n"


def _pictures(one: Field, scope: str) -> list[str]:
    chooser = next((cell for cell in one.cells if cell.pictures), None)
    return [
        _hidden(f"{scope} .row", _options((value,)), f".picture-{place}", True)
        for place, value in enumerate(chooser.pictures if chooser else ())
    ]


def _hidden(scope: str, chosen: str, target: str, wanted: bool) -> str:
    """A rule that hides the target unless that is chosen; with `wanted` False, if it is chosen."""
    return f"{scope}{f':not(:has({chosen}))' if wanted else f':has({chosen})'} {target} {{ display: none; }}"


def _options(condition: Condition) -> str:
    values = () if isinstance(condition, bool) else condition
    return ", ".join(f'option[value="{_escaped(value)}"]:checked' for value in values)


def _chosen(field: Field, condition: Condition) -> str:
    """A selector of what is there if the field has one of these values, or if it is filled in."""
    name = f'[name="{field.name}"]'
    if not isinstance(condition, bool):
        parts = [f'{name}[value="{_escaped(value)}"]:checked' for value in condition]
        return ", ".join(parts + [f'{name} > [value="{_escaped(value)}"]:checked' for value in condition])
    if field.control in ("file", "files"):
        return f'[type=hidden]{name}:not([value=""])'
    if field.control == "checkbox":
        return f"{name}:checked"
    return f'{name} > [value]:not([value=""]):checked, {name}:is(textarea, [type=text]):not(:placeholder-shown)'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
