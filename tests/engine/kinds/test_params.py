"""Params that all kinds of one sort share."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs.engine import kinds
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.kinds import READING, TableFile, TableParams
from jobs.engine.kinds.params import param


class Params(TableParams):
    source: TableFile = param("Table")
    column: str = param("Column", default="")


def test_every_kind_that_takes_a_table_has_the_options_of_reading() -> None:
    for kind in kinds.kinds():
        properties = kind.schema()["properties"]
        takes = any('"accept": "table"' in str(one).replace("'", '"') for one in properties.values())
        assert set(READING) <= properties.keys() or not takes, kind.name


def test_they_come_after_the_own_params_and_are_checked() -> None:
    schema = Params.model_json_schema()
    assert list(schema["properties"]) == ["source", "column", *READING]
    assert schema["required"] == ["source"]
    assert Params(source="x", header_row=3, sheet="", cells="B2:C4").reading == ReadOptions(
        header_row="3", cells="B2:C4"
    )
    for wrong in (
        {"header_row": "first"},
        {"header_row": "0"},
        {"cells": "B2"},
        {"cells": "4:2"},
        {"delimiter": "commas"},
    ):
        with pytest.raises(ValidationError):
            Params(source="x", **wrong)
