"""Params as fields, and what is typed as params or as errors by field."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from tests.web.sample_kinds.questions import EXAMPLE, Params
from webapp import forms

FIELDS = forms.fields(Params.model_json_schema())
BY_NAME = {field.name: field for field in FIELDS}


def read(**typed: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Params and errors of a form in which only this was changed."""
    raw = forms.filled(FIELDS, EXAMPLE) | typed
    params, errors = forms.params_of(FIELDS, raw)
    return params, {error.field: error.message for error in errors}


def test_every_type_has_its_control() -> None:
    assert {name: field.control for name, field in BY_NAME.items()} == {
        "table": "file", "papers": "files", "word": "line", "story": "text", "pattern": "code", "whole": "number",
        "part": "number", "sure": "checkbox", "colour": "select", "side": "radios", "size": "radios", "tools": "checks",
        "point": "json", "anything": "json", "key": "secret", "patience": "number",
        "hosts": "lines", "parts": "lines", "parting": "rows", "column": "column", "pace": "radios",
    }  # fmt: skip


def test_a_field_knows_its_words_limits_and_place() -> None:
    whole = BY_NAME["whole"]
    assert (whole.label, whole.unit, whole.minimum, whole.maximum, whole.integer) == (
        "A whole number",
        "pieces",
        1,
        100,
        True,
    )
    assert forms.limits(whole) == "1 to 100."
    assert forms.limits(BY_NAME["patience"]) == "0 to 1,000,000."
    assert BY_NAME["patience"].advanced
    assert BY_NAME["pattern"].columns_of == "table"
    assert BY_NAME["table"].accept == "table"
    assert BY_NAME["part"].nullable and not BY_NAME["part"].required


def test_the_example_survives_the_form() -> None:
    params, errors = read()
    assert not errors
    assert Params.model_validate(params) == Params.model_validate(EXAMPLE)


def test_filled_and_read_again_gives_the_same_params() -> None:
    given = {
        "table": "sample:reviews.csv", "papers": ["a", "b"], "word": " spaces stay ", "story": "two\nlines", "whole": 100,
        "part": 1e-05, "sure": False, "colour": "ochre", "side": "right", "size": 2, "tools": ["saw"],
        "point": {"x": 1, "y": 2}, "anything": {"ü": [1, None, True]}, "patience": 0, "pattern": "",
        "hosts": ["a.example", "b.example"], "parts": [0.5, 1e-05], "parting": {"title": "stars", "text": " it = all "},
        "column": "stars", "pace": "fast",
    }  # fmt: skip
    params, errors = forms.params_of(FIELDS, forms.filled(FIELDS, given))
    assert not errors
    assert params == given


@pytest.mark.parametrize(
    "typed", ["1,204", "1e3", "٣", "１２", " ", "nan", "inf", "0x10", "1_000", "12.0", "9" * 5000, "--1"]
)
def test_what_is_no_whole_number_is_said_so(typed: str) -> None:
    params, errors = read(whole=typed)
    assert "whole" in errors and "whole" not in params


@pytest.mark.parametrize("typed", ["0,5", "1e-3", "NaN", "infinity", "½", ".", "1.2.3", "٠.٥", "9" * 5000])
def test_what_is_no_number_is_said_so(typed: str) -> None:
    params, errors = read(part=typed)
    assert "part" in errors and "part" not in params


@pytest.mark.parametrize(
    ("typed", "value"), [("0.5", 0.5), (".5", 0.5), ("+1", 1.0), ("-0.", 0.0), (" 0.25 ", 0.25), ("", None)]
)
def test_numbers_are_read(typed: str, value: float | None) -> None:
    params, errors = read(part=typed)
    assert not errors and params["part"] == value


@pytest.mark.parametrize(
    ("typed", "says"),
    [("{", "line 1"), ('{"a": NaN}', "NaN"), ("[" * 100_000, "deeply"), ("{'a': 1}", "line 1, column 2")],
)
def test_what_is_no_json_is_said_where(typed: str, says: str) -> None:
    assert says in read(anything=typed)[1]["anything"]


def test_what_must_be_there_is_asked_for() -> None:
    _, errors = forms.params_of(FIELDS, forms.blank(FIELDS))
    assert set(errors_of := {error.field for error in errors}) == {"word", "side"}, errors_of


def test_a_choice_that_is_none_is_refused() -> None:
    assert "side" in read(side="up")[1]
    assert "tools" in read(tools=["hammer", "drill"])[1]
    assert read(size="2")[0]["size"] == 2


def test_a_form_that_leaves_a_field_out_keeps_its_default() -> None:
    raw = forms.posted(FIELDS, MultiDict([("word", "hello"), ("side", "left")]))
    params, errors = forms.params_of(FIELDS, raw)
    assert not errors
    assert params["sure"] is True and params["whole"] == 7


def test_an_unticked_box_is_no() -> None:
    assert forms.params_of(FIELDS, forms.posted(FIELDS, MultiDict([("sure", "0")])))[0]["sure"] is False
    assert forms.params_of(FIELDS, forms.posted(FIELDS, MultiDict([("sure", "0"), ("sure", "1")])))[0]["sure"] is True


def test_line_ends_of_a_browser_are_one_character() -> None:
    assert forms.posted(FIELDS, MultiDict([("story", "a\r\nb")]))["story"] == "a\nb"


def test_a_secret_is_never_filled_in() -> None:
    assert forms.filled(FIELDS, {"key": "hunter2"})["key"] == ""


def test_params_that_no_field_asks_for_are_named() -> None:
    assert forms.strangers(FIELDS, {"word": "x", "old": 1}) == ["old"]


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null"])
def test_pasted_json_is_an_object_or_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        forms.from_json(text)


def test_lists_and_mappings_are_read_line_by_line() -> None:
    params, errors = read(
        hosts=" a.example \n\nb.example", parts="1\n0.5", parting=["title", "stars", " text ", "", "text", "id"]
    )
    assert not errors
    assert params["hosts"] == ["a.example", "b.example"] and params["parts"] == [1, 0.5]
    assert params["parting"] == {"title": "stars", "text": "id"}
    assert read(hosts="", parting=[])[0] | {"hosts": [], "parting": {}} == read()[0]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"parts": "1\nlots"}, "is not a number"),
        ({"parting": ["", "stars"]}, "what it is for"),
        ({"parting": ["title", "a", "title", "b"]}, "stands here twice"),
    ],
)
def test_a_wrong_line_is_told(typed: dict[str, Any], said: str) -> None:
    assert said in read(**typed)[1][next(iter(typed))]


def test_a_mapping_is_posted_in_pairs_and_prefilled_as_json() -> None:
    form = MultiDict([("parting", text) for text in ("title", "stars", "", "", "text", "")])
    assert forms.posted(FIELDS, form)["parting"] == ["title", "stars"]
    assert forms.posted(FIELDS, MultiDict({"parting": '{"title": "stars"}'}))["parting"] == ["title", "stars"]
    assert forms.posted(FIELDS, MultiDict({"parting": "no json"}))["parting"] == []
