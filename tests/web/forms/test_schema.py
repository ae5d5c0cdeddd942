"""Editors of nested params: parts of a mapping, rows, what applies; what is filled in is read back as it was."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel
from werkzeug.datastructures import MultiDict

from jobs.engine import kinds
from jobs.engine.kinds import KindParams, TableFile, param
from webapp import forms


class Move(BaseModel):
    to: str = param("To")
    keep: bool = param("Keep", default=False)


class Rename(BaseModel):
    to: int = param("Number")


class Pair(BaseModel):
    name: str = param("Name")
    share: float | None = param("Share", default=None)


class Params(KindParams):
    table: TableFile | None = param("Table", default=None)
    what: Literal["none", "move", "rename", "copy"] = param("What", default="none")
    how: dict[str, Any] = param("How", default={}, shapes=("what", {"move": Move, "rename": Rename, "copy": Move}))
    pairs: list[Pair] = param("Pairs", default=[])
    numbers: dict[str, float] = param("Numbers", default={})
    mixed: dict[str, str | float | bool] = param("Mixed", default={})
    columns: list[str] = param("Columns", default=[], columns_of="table")
    tools: list[Literal["saw", "axe"]] = param("Tools", default=[])
    ask: list[Literal["saw", "axe"]] = param("Ask", default=[], within="tools")
    column: str = param("Column", default="", columns_of="table", only_if={"table": True})
    typed: str = param("Typed", default="", only_if={"table": False})


FIELDS = forms.fields(Params.model_json_schema())


def names() -> dict[str, str]:
    return {field.name: field.control for field in FIELDS}


def test_a_mapping_with_known_contents_has_a_field_for_each() -> None:
    assert names() | {"how.to": "line", "how.to:rename": "number", "how.keep": "checkbox"} == names()
    assert "how" not in names()
    assert (names()["pairs"], names()["numbers"], names()["mixed"], names()["columns"]) == (
        *("rows", "rows", "rows", "columns"),
    )


@pytest.mark.parametrize(
    "params",
    [
        {"what": "move", "how": {"to": "there"}},
        {"what": "copy", "how": {"to": "there", "keep": True}},
        {"what": "rename", "how": {"to": 12}},
        {"pairs": [{"name": "a", "share": 0.5}, {"name": "b"}]},
        {"numbers": {"a": 1.5, "b": -3.0}},
        {"mixed": {"year": 2024, "text": "2024", "sure": True, "words": "a b"}},
        {"columns": ["a", "b, c"]},
        {"tools": ["saw", "axe"], "ask": ["axe"]},
        {"table": "sample:x.csv", "column": "a"},
        {"typed": "x"},
    ],
)
def test_what_is_filled_in_is_read_back(params: dict[str, Any]) -> None:
    read, errors = forms.params_of(FIELDS, forms.filled(FIELDS, params))
    assert not errors
    assert {name: read.get(name) for name in params} == params


def test_what_does_not_apply_is_left_out() -> None:
    raw = forms.filled(FIELDS, {"what": "none", "how": {"to": "there"}, "typed": "x", "table": "sample:x.csv"})
    raw |= {"tools": ["saw"], "ask": ["saw", "axe"], "how.to:rename": "no number"}
    read, errors = forms.params_of(FIELDS, raw)
    assert not errors and "how" not in read and "typed" not in read and read["ask"] == ["saw"]


def test_errors_of_rows_and_parts_stand_at_their_field() -> None:
    raw = forms.filled(FIELDS, {"what": "rename"}) | {"pairs": ["", "0.5"], "numbers": ["a", "lots"]}
    _, errors = forms.params_of(FIELDS, raw)
    assert {error.field for error in errors} == {"how.to:rename", "pairs", "numbers"}
    at_field, general = forms.by_field(
        FIELDS,
        raw,
        [kinds_error("how", "A"), kinds_error("pairs.1.share", "B"), kinds_error("how.to", "C"), kinds_error("x", "D")],
    )
    assert at_field == {"how.to:rename": "A C", "pairs": "row 2, share: B"}
    assert general == ["D"]


def kinds_error(field: str, message: str) -> Any:
    from jobs.engine.errors import FieldError

    return FieldError(field, message)


def test_rows_are_posted_cell_by_cell_and_empty_ones_dropped() -> None:
    form = MultiDict([("pairs", text) for text in ("a", "0.5", "", "", "b", "")])
    assert forms.posted(FIELDS, form)["pairs"] == ["a", "0.5", "b", ""]


def test_the_style_sheet_hides_what_does_not_apply() -> None:
    sheet = forms.style_sheet(FIELDS)
    assert (
        '#job-form:not(:has([name="what"][value="copy"]:checked, [name="what"][value="move"]:checked, '
        '[name="what"] > [value="copy"]:checked, [name="what"] > [value="move"]:checked)) [id="w-how.keep"]'
    ) in sheet
    assert '#job-form:has([type=hidden][name="table"]:not([value=""])) [id="w-typed"]' in sheet


@pytest.mark.parametrize("kind", [kind for kind in kinds.kinds() if kind.available], ids=lambda kind: kind.name)
def test_the_example_of_each_kind_survives_its_form(kind: kinds.Kind) -> None:
    found = forms.of_kind(kind)
    read, errors = forms.params_of(found, forms.filled(found, kind.example))
    assert not errors and not forms.strangers(found, kind.example)
    wanted, came = kind.Params.model_validate(kind.example), kind.Params.model_validate(read)
    assert came.model_dump(mode="json") == wanted.model_dump(mode="json")
    assert not [one.name for one in found if one.control == "json" and one.name != "json_schema"]


def test_each_distribution_has_its_numbers() -> None:
    found = forms.of_kind(kinds.kind("simulate"))
    inputs = {
        "a": 5,
        "b": {"distribution": "normal", "mean": 1, "sd": 0.5},
        "c": {"distribution": "choice", "values": [1, 2.5], "weights": [1, 3]},
        "d": {"distribution": "beta", "alpha": 1, "beta": 2},
    }
    raw = forms.filled(found, {"formula": "a", "inputs": inputs})
    assert forms.params_of(found, raw)[0]["inputs"] == inputs
    raw["inputs"] = [*raw["inputs"][:3], "", "about 5", *raw["inputs"][5:]]
    assert forms.shown(next(one for one in found if one.name == "inputs"), inputs).splitlines()[1].startswith("b: ")
