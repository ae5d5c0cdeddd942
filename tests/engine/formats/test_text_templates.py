"""Columns in prompts."""

from __future__ import annotations

import difflib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.errors import BadInput
from jobs.engine.formats.text_templates import parse_template, template_errors


def test_a_column_stands_for_its_value() -> None:
    template = parse_template("Product: {product}, {stars} of 5, again {product}")
    assert template.columns == ("product", "stars")
    assert template.render({"product": "Kettle", "stars": 4}) == "Product: Kettle, 4 of 5, again Kettle"


@pytest.mark.parametrize(
    "name", ["first name", "a.b", "größe", "价格", "user.__init__", "x!r", "name:>10", "0", "a[0]"]
)
def test_any_name_can_be_a_column_and_is_only_a_name(name: str) -> None:
    assert parse_template("{" + name + "}").render({name: "value"}) == "value"


def test_doubled_braces_are_braces() -> None:
    assert parse_template('{{"a": {a}}} {{{a}}}').render({"a": 1}) == '{"a": 1} {1}'


def test_values_are_not_read_as_templates() -> None:
    assert parse_template("{a}").render({"a": "{b} {{", "b": "secret"}) == "{b} {{"


def test_an_empty_cell_leaves_nothing() -> None:
    assert parse_template("[{a}][{b}]").render({"a": None}) == "[][]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "The brace { in line 1 at character 1 has no closing one"),
        ("one\n price {5", "The brace { in line 2 at character 8 has no closing one"),
        ("a } b", "The brace } in line 1 at character 3 has no opening one"),
        ("{}", "no column name between the braces in line 1"),
        ("{ }", "no column name between the braces"),
        ("{{a}", "The brace } in line 1"),
        ("{" + "x" * 300 + "}", "too long for a column"),
    ],
)
def test_a_brace_out_of_place_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_template(text)
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["{user.__init__.__globals__}", "{name:>1000000000}", "{0}"])
def test_format_tricks_are_unknown_columns(text: str) -> None:
    assert (
        parse_template(text)
        .unknown(["user", "name"], "t.csv")[0]
        .startswith(f"There is no column “{text[1:-1]}” in t.csv.")
    )


def test_an_unknown_column_comes_with_the_nearest() -> None:
    columns = ["id", "product", "Stars"]
    assert parse_template("{prodct} {product}").unknown(columns, "reviews.csv") == [
        "There is no column “prodct” in reviews.csv. Did you mean {product}?"
    ]
    assert "Did you mean {Stars}?" in parse_template("{stars}").unknown(columns, "reviews.csv")[0]
    assert "Its columns are: id, product, Stars." in parse_template("{weather}").unknown(columns, "reviews.csv")[0]


def test_many_unknown_columns_of_a_wide_table_cost_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(difflib, "get_close_matches", lambda _, names, **__: compared.append(len(names)) or [])
    columns = [f"{'column' * 10}{place}" * 1_000 for place in range(2_000)]
    wrong = template_errors("".join(f"{{{place}}}" for place in range(5_000)), columns, "wide.csv")
    assert sum(compared) <= 1_000
    assert 3 <= len(wrong) <= 50 and max(map(len, wrong)) < 1_000


def test_what_is_wrong_is_said_before_anything_is_sent() -> None:
    assert template_errors("{a}", ["a", "b"], "t.csv") == []
    assert template_errors("{a} {c}", ["a", "b"], "t.csv")[0].startswith("There is no column “c” in t.csv.")
    assert "has no closing one" in template_errors("{", ["a"], "t.csv")[0]
    assert "Put in one of: {a}, {b}." in template_errors("Hello", ["a", "b"], "t.csv")[0]


@given(st.text(max_size=60))
def test_text_with_its_braces_doubled_stays_as_it_is(text: str) -> None:
    assert parse_template(text.replace("{", "{{").replace("}", "}}")).render({}) == text


@given(st.text(alphabet="{}ab \n", max_size=30))
def test_any_text_is_a_template_or_refused_in_a_sentence(text: str) -> None:
    with suppress(BadInput):
        assert isinstance(parse_template(text).render({}), str)
