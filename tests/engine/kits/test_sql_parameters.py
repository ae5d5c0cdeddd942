"""Parameters of queries: values that cannot be anything but values."""

from __future__ import annotations

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.kits.sql.parameters import filled, named

SQL = """select 'it''s $a', "$a", E'\\'$a', $$ $a $$, $t$ $a $t$ -- $a
/* $a */ from t where x = $a and y > $b::int and z = $c"""


def test_only_parameters_are_replaced() -> None:
    assert named(SQL) == ["a", "b", "c"]
    came = filled(SQL, {"a": "o'; drop table t; --", "b": -2.5, "c": True, "spare": 1})
    assert came.endswith("where x = 'o''; drop table t; --' and y > (-2.5)::int and z = true")
    assert came.split("from t")[0] == SQL.split("from t")[0]
    assert filled("select $a, price$a, $1", {"a": None}) == "select null, price$a, $1"


def test_a_parameter_without_a_value_is_named() -> None:
    with pytest.raises(BadInput, match=r"names \$regoin, and there is no such parameter. Did you mean \$region\?"):
        filled("select $regoin", {"region": "North"})
