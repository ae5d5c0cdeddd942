"""Distributions: against their textbook moments and percentiles, and what is refused."""

from __future__ import annotations

import re
from math import exp, gamma, sqrt
from typing import Any

import numpy
import pytest

from jobs.engine.kits.simulation import distributions

KNOWN: list[tuple[dict[str, Any], float, float]] = [  # with mean and standard deviation
    ({"distribution": "pert", "low": 5, "mode": 8, "high": 15}, 52 / 6, sqrt((52 / 6 - 5) * (15 - 52 / 6) / 7)),
    ({"distribution": "exponential", "mean": 4}, 4, 4),
    ({"distribution": "gamma", "shape": 3, "scale": 2}, 6, sqrt(12)),
    ({"distribution": "weibull", "shape": 2, "scale": 3}, 3 * gamma(1.5), 3 * sqrt(1 - gamma(1.5) ** 2)),
    ({"distribution": "student", "mean": 1, "scale": 2, "freedom": 10}, 1, 2 * sqrt(10 / 8)),
    ({"distribution": "binomial", "n": 40, "p": 0.25}, 10, sqrt(7.5)),
    ({"distribution": "beta", "alpha": 2, "beta": 3}, 0.4, 0.2),
    ({"distribution": "triangular", "low": 0, "mode": 3, "high": 6}, 3, sqrt(1.5)),
    ({"distribution": "lognormal", "mu": 0, "sigma": 0.5}, exp(0.125), exp(0.125) * sqrt(exp(0.25) - 1)),
]
COUNT = 200_000


def drawn(value: Any) -> Any:
    return distributions.parse(value).draw(numpy.random.default_rng(1), COUNT)


@pytest.mark.parametrize(
    ("value", "mean", "sd"), KNOWN, ids=lambda one: one["distribution"] if isinstance(one, dict) else ""
)
def test_mean_and_deviation_are_those_of_the_books(value: dict[str, Any], mean: float, sd: float) -> None:
    samples = drawn(value)
    assert samples.mean() == pytest.approx(mean, abs=5 * sd / sqrt(COUNT))
    assert samples.std() == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("name", ["lognormal_interval", "normal_interval"])
def test_from_5_to_10_holds_as_many_percent_as_said(name: str) -> None:
    samples = drawn({"distribution": name, "low": 5, "high": 10})
    assert list(numpy.percentile(samples, (5, 95))) == pytest.approx([5, 10], rel=0.01)
    samples = drawn({"distribution": name, "low": 5, "high": 10, "percent": 50})
    assert list(numpy.percentile(samples, (25, 75))) == pytest.approx([5, 10], rel=0.01)
    middle = sqrt(50) if name == "lognormal_interval" else 7.5
    assert numpy.median(samples) == pytest.approx(middle, rel=0.01)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"distribution": "pert", "low": 1, "mode": 0, "high": 2}, "ascending order"),
        ({"distribution": "pert", "low": 1, "mode": 1, "high": 1}, "ascending order"),
        ({"distribution": "lognormal_interval", "low": 0, "high": 2}, "low is 0; it must be more than 0."),
        ({"distribution": "normal_interval", "low": 3, "high": 2}, "low must not be above high"),
        ({"distribution": "normal_interval", "low": 1, "high": 2, "percent": 100}, "between 0 and 100"),
        ({"distribution": "binomial", "n": 2.5, "p": 0.5}, "whole number"),
        ({"distribution": "binomial", "n": 2, "p": 2}, "probability"),
        ({"distribution": "exponential", "mean": 0}, "mean is 0; it must be more than 0."),
        ({"distribution": "gamma", "shape": 1}, "scale is missing"),
        ({"distribution": "column"}, "the name of a column"),
        ({"distribution": "gama", "shape": 1}, "Did you mean gamma?"),
    ],
    ids=str,
)
def test_what_is_no_distribution_is_named(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        distributions.parse(value)
