"""Columns that nobody described: their labels, types and formats follow from what is in them."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.engine.kinds import ItemColumn, label_of
from webapp.results import columns, values

SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("name", "some", "type", "texts"),
    [
        ("US Gross", ["10876", "57141459", None], "number", ["10,876", "57,141,459", ""]),
        ("rating", [8.1, 7, "6.25"], "number", ["8.10", "7.00", "6.25"]),
        ("sum", [0.1 + 0.2, 1.5], "number", ["0.3", "1.5"]),
        ("Year", ["1995", "2010"], "number", ["1995", "2010"]),
        ("customer_id", [1001, 20500], "number", ["1001", "20500"]),
        ("zip", ["01234", "99999"], "word", ["01234", "99999"]),
        ("phone", ["+49 30 1234", "+49 30 9999"], "word", ["+49 30 1234", "+49 30 9999"]),
        ("released", ["1995-12-27", "2010-01-02"], "date", ["27 Dec 1995", "2 Jan 2010"]),
        ("paid", ["true", "false"], "yes_no", ["yes", "no"]),
        ("flag", [True, False], "yes_no", ["yes", "no"]),
        ("tags", [["a", "b"], []], "tree", ["a, b", ""]),
        ("answer", ['{"city": "Berlin", "tall_towers": 2}'], "tree", ["City: Berlin, Tall towers: 2"]),
        ("type", ["application/pdf", "text/csv; charset=utf-8"], "media_type", ["PDF", "CSV table"]),
        ("review", ["Keeps my tea hot through the longest meeting.\nAgain."], "text", None),
        ("nothing", [None, ""], "word", ["", ""]),
        ("infinite", ["1e999", "nan"], "word", ["1e999", "nan"]),
    ],
)
def test_a_column_is_typed_by_its_values(name: str, some: list[Any], type: str, texts: list[str] | None) -> None:
    column = columns.guess(name, some)
    assert column.type == type
    if texts is not None:
        assert [str(values.written(value, column)) for value in some] == texts


def test_an_id_that_a_job_made_is_not_in_the_way() -> None:
    assert columns.guess("sha256", [SHA], "made").shown == "asked"
    assert columns.guess("sha256", [SHA], "yours").shown == "always"  # the person's table is shown as it is


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("rows_left_out", "Rows left out"),
        ("customer_id", "Customer ID"),
        ("Major Genre", "Major genre"),
        ("sha256", "SHA-256"),
        ("isActive", "Is active"),
        ("IMDB Rating", "IMDB rating"),
        ("_", "_"),
        ("", ""),
    ],
)
def test_a_label_is_made_of_a_name(name: str, label: str) -> None:
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        (ItemColumn("a", type="percent", decimals=1), 0.256, "25.6%"),
        (ItemColumn("a", type="bytes"), 412_000, "412 KB"),
        (ItemColumn("a", type="seconds"), 136, "2 min 16 s"),
        (ItemColumn("a", type="money", unit="$", decimals=2), 0.4, "$0.40"),
        (ItemColumn("a", type="number", unit="rows"), 1204, "1,204 rows"),
        (ItemColumn("a", type="tag", words={"new": "New"}), "new", "New"),
        (ItemColumn("a", type="tag"), "item_cosine", "Item cosine"),
        (ItemColumn("a", type="tag", role="yours"), "item_cosine", "item_cosine"),
        (ItemColumn("a", type="language"), "de", "German"),
        (ItemColumn("a", type="markdown"), "## Gulls\n**Two** `of` them", "Gulls\nTwo of them"),
        (ItemColumn("a", type="link"), "javascript:alert(1)", "javascript:alert(1)"),
        (ItemColumn("a", type="number"), "<b>", "<b>"),
    ],
)
def test_a_value_is_written_by_its_column(column: ItemColumn, value: Any, text: str) -> None:
    assert str(values.with_unit(value, column)) == text


@pytest.mark.parametrize("deep", ["[" * 50_000 + "]" * 50_000, '{"a":' * 700 + "1" + "}" * 700])
def test_deeply_nested_values_cost_little(deep: str) -> None:
    assert len(str(values.written(deep, ItemColumn("a", type="tree")))) <= values.CELL


def test_a_link_leads_only_to_the_web_and_is_escaped() -> None:
    shown = values.written('https://example.org/"><script>', ItemColumn("a", type="link"))
    assert str(shown).startswith('<a href="https://example.org/&#34;&gt;&lt;script&gt;"')
