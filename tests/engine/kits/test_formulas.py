"""Formulas of strangers: what they may say, and what they may not."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy
import pytest

from jobs.engine.kits.simulation import distributions
from jobs.engine.kits.simulation.formulas import Formula, FormulaError

VALUES = {"x": numpy.array([-2.0, 0.5, 3.0]), "y": numpy.array([1.0, 2.0, 4.0])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x * y - 3", [-5, -2, 9]),
        ("x ** 2 / y", [4, 0.125, 2.25]),
        ("max(x, y, 2) + min(x, 0)", [0, 2, 4]),
        ("x if x > 0 and not y > 3 else -y", [-1, 0.5, -4]),
        ("-1 < x <= 3", [0, 1, 1]),
        ("where(x < 0 or y == 4, 1, 0)", [1, 0, 1]),
        ("-(x > 0) + 1", [1, 0, 0]),
        ("clip(x, 0, 1) + abs(x)", [2, 1, 4]),
        ("round(x * 0.37, 1)", [-0.7, 0.2, 1.1]),
        ("sqrt(y) * exp(log(y)) % 2", [1, 2.8284271247461903 % 2, 0]),
        ("x // 1 +\n  floor(y / 3)", [-2, 0, 4]),
        ("cos(pi) * y", [-1, -2, -4]),
    ],
)
def test_values(text: str, expected: list[float]) -> None:
    assert Formula(text).value(VALUES).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "__import__('os').system('id')",
            "open('/etc/passwd')",
            "x.__class__",
            "x[0]",
            "(lambda: 1)()",
            "[x for x in y]",
        ),
        *(
            "'text'",
            "f'{x}'",
            "x := 3",
            "x; y",
            "import os",
            "1j",
            "None",
            "{x}",
            "x @ y",
            "x if y",
            "max(x)",
            "sqrt(x, y)",
        ),
        *("sqrt(x=1)", "max(*y)", "x in y", "x | y", "", "x" * 3_000, "(" * 500, "-" * 1_500 + "x", "9" * 400, "x\x00"),
        *("sqroot(x)", "x and", "x)+(y", "...", "yield", "await x", "x) if (y"),
    ],
)
def test_what_is_not_on_the_list_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(FormulaError) as error:
        Formula(text)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x^2", "x ** 2"),
        ("(x+1)^n", "** n"),
        ("x²", "x ** 2"),
        ("10% * x", "0.1 instead of 10%"),
        ("x * 12.5%", "0.125 instead of 12.5%"),
        ("=x*2", "Leave out the “=”"),
        ("1,000 * x", "1000 instead of 1,000"),
        ("1,234.50 * x", "1234.50 instead of 1,234.50"),
        ("max(x, 1,000)", "1000 instead of 1,000"),
        ("0,5 * x", "0.5 instead of 0,5"),
        ("IF(x>1;2;3)", "where(x > 1, 2, 3)"),
        ("if(x > 1, 2, 3)", "where(x > 1, 2, 3)"),
        ("max(x; 2)", "commas"),
        ("2x", "2 * x"),
        ("2(x + 1)", "2 * ("),
        ("my price * 2", "no sign between my and price"),
        ("x × 2", "* instead of ×"),
        ("x <> 2", "!= instead of <>"),
        ("x = 2", "== to compare"),
        ("AND(x > 1, y > 2)", "a and b"),
        ("$5 * x", "currency"),
    ],
)
def test_what_other_programs_take_gets_the_form_to_write_here(text: str, said: str) -> None:
    with pytest.raises(FormulaError) as error:
        Formula(text)
    assert said in str(error.value)


def test_a_near_name_of_a_function_is_offered() -> None:
    with pytest.raises(FormulaError, match=r"There is no function “sqroot”\. Did you mean sqrt\?"):
        Formula("sqroot(x)")


def test_huge_powers_are_infinite_at_once() -> None:
    began = time.process_time()
    assert math.isinf(Formula("9**9**9**9**9").value({}))
    assert numpy.isinf(Formula("(y + 9) ** 99999999").value(VALUES)).all()
    assert time.process_time() - began < 5


def test_names_are_those_it_needs() -> None:
    assert Formula("max(b, a) + pi * a").names == ["a", "b"]


def test_any_text_is_taken_or_refused_and_nothing_else() -> None:
    """Random pieces of Python: each is a number, or a FormulaError."""
    pieces = "x y 1 .5 + - ** ( ) , max where if else not < . [ ] = '".split()  # noqa: SIM905
    dice = random.Random(4)
    taken = 0
    for _ in range(4_000):
        text = " ".join(dice.choices(pieces, k=dice.randint(1, 7)))
        try:
            value = Formula(text).value(VALUES)
        except FormulaError:
            continue
        taken += 1
        assert value.dtype == float and value.shape in ((), (3,))
    assert taken > 100


@pytest.mark.parametrize(
    ("value", "mean", "sd"),
    [
        (5, 5, 0),
        ({"distribution": "constant", "value": 2}, 2, 0),
        ({"distribution": "normal", "mean": 10, "sd": 2}, 10, 2),
        ({"distribution": "lognormal", "mu": 0, "sigma": 0.5}, math.exp(0.125), 0.604),
        ({"distribution": "uniform", "low": 0, "high": 12}, 6, math.sqrt(12)),
        ({"distribution": "triangular", "low": 0, "mode": 3, "high": 6}, 3, math.sqrt(1.5)),
        ({"distribution": "beta", "alpha": 2, "beta": 2, "low": 10, "high": 20}, 15, 10 * math.sqrt(0.05)),
        ({"distribution": "poisson", "mean": 9}, 9, 3),
        ({"distribution": "bernoulli", "p": 0.2}, 0.2, 0.4),
        ({"distribution": "choice", "values": [1, 3], "weights": [3, 1]}, 1.5, math.sqrt(0.75)),
    ],
)
def test_draws_have_the_mean_and_spread_they_should(value: Any, mean: float, sd: float) -> None:
    drawn = distributions.parse(value).draw(numpy.random.default_rng(5), 200_000)
    assert drawn.mean() == pytest.approx(mean, abs=0.02 * max(1, mean))
    assert drawn.std() == pytest.approx(sd, abs=0.02 * max(1, sd))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5", "write a number"),
        (True, "write a number"),
        ({"distribution": "norml", "mean": 1}, "Did you mean normal?"),
        ({"distribution": "normal", "mean": 1}, "sd is missing"),
        ({"distribution": "normal", "mean": 1, "sd": "2"}, "sd is not a number"),
        ({"distribution": "normal", "mean": 1, "sd": -2}, "sd is -2; it must be 0 or more"),
        ({"distribution": "normal", "mean": 1, "sd": 1, "high": 3}, "not “high”"),
        ({"distribution": "uniform", "low": 3, "high": 1}, "low must not be above high"),
        ({"distribution": "triangular", "low": 1, "mode": 0, "high": 1}, "in ascending order"),
        ({"distribution": "beta", "alpha": 0, "beta": 1}, "more than 0"),
        ({"distribution": "poisson", "mean": -1}, "0 or more"),
        ({"distribution": "bernoulli", "p": 1.2}, "from 0 to 1"),
        ({"distribution": "choice", "values": []}, "a list of 1 to 1,000 numbers"),
        ({"distribution": "choice", "values": [1, 2], "weights": [0, 0]}, "not all 0"),
        ({"distribution": "constant", "value": 10**400}, "not a number"),
    ],
)
def test_what_is_no_distribution_is_refused_in_a_sentence(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as error:
        distributions.parse(value)
    assert said in str(error.value)
