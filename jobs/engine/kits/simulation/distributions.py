"""Probability distributions as JSON: {"distribution": "normal", "mean": 10, "sd": 2}, or a plain number for a constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log
from statistics import NormalDist
from typing import Annotated, Any

from pydantic import WithJsonSchema

from jobs.engine.validation import nearest

MOST_CHOICES = 1_000
COLUMN = "column"
PERT_WEIGHT = 4  # of the likely value, as in Malcolm et al. (1959)


@dataclass(frozen=True)
class Distribution:
    """The distribution of one input. `params` are numbers by name; for a choice two lists, `values` and `weights`; for a
    column its name, and its samples are drawn by the model, which has the data."""

    name: str
    params: Mapping[str, Any]

    def draw(self, random: Any, count: int) -> Any:
        """`count` samples from a numpy Generator, as an array of floats."""
        import numpy

        given = self.params
        match self.name:
            case "constant":
                return numpy.full(count, given["value"])
            case "normal":
                return random.normal(given["mean"], given["sd"], count)
            case "lognormal":
                return random.lognormal(given["mu"], given["sigma"], count)
            case "uniform":
                return random.uniform(given["low"], given["high"], count)
            case "triangular":
                return random.triangular(given["low"], given["mode"], given["high"], count)
            case "beta":
                return given["low"] + (given["high"] - given["low"]) * random.beta(given["alpha"], given["beta"], count)
            case "pert":
                low, mode, high = given["low"], given["mode"], given["high"]
                alpha, beta = (1 + PERT_WEIGHT * part / (high - low) for part in (mode - low, high - mode))
                return low + (high - low) * random.beta(alpha, beta, count)
            case "lognormal_interval":
                middle, spread = _middle_and_spread(log(given["low"]), log(given["high"]), given["percent"])
                return random.lognormal(middle, spread, count)
            case "normal_interval":
                return random.normal(*_middle_and_spread(given["low"], given["high"], given["percent"]), count)
            case "exponential":
                return random.exponential(given["mean"], count)
            case "gamma":
                return random.gamma(given["shape"], given["scale"], count)
            case "weibull":
                return given["scale"] * random.weibull(given["shape"], count)
            case "student":
                return given["mean"] + given["scale"] * random.standard_t(given["freedom"], count)
            case "binomial":
                return random.binomial(int(given["n"]), given["p"], count).astype(float)
            case "poisson":
                return random.poisson(given["mean"], count).astype(float)
            case "bernoulli":
                return (random.random(count) < given["p"]).astype(float)
        return random.choice(numpy.array(given["values"], float), count, p=given["weights"])


def _middle_and_spread(low: float, high: float, percent: float) -> tuple[float, float]:
    """The mean and standard deviation of a normal with so many percent between low and high, and as many on both sides."""
    return (low + high) / 2, (high - low) / 2 / NormalDist().inv_cdf(0.5 + percent / 200)


# The params of each with their defaults; None: required.
KNOWN: dict[str, dict[str, float | None]] = {
    "constant": {"value": None},
    "normal": {"mean": None, "sd": None},
    "lognormal": {"mu": None, "sigma": None},
    "uniform": {"low": None, "high": None},
    "triangular": {"low": None, "mode": None, "high": None},
    "pert": {"low": None, "mode": None, "high": None},
    "lognormal_interval": {"low": None, "high": None, "percent": 90.0},
    "normal_interval": {"low": None, "high": None, "percent": 90.0},
    "exponential": {"mean": None},
    "gamma": {"shape": None, "scale": None},
    "weibull": {"shape": None, "scale": None},
    "student": {"mean": 0.0, "scale": 1.0, "freedom": None},
    "binomial": {"n": None, "p": None},
    "beta": {"alpha": None, "beta": None, "low": 0.0, "high": 1.0},
    "poisson": {"mean": None},
    "bernoulli": {"p": None},
}

TITLES = {
    "lognormal_interval": "from … to …, more than 0 (lognormal)",
    "normal_interval": "from … to … (normal)",
    "normal": "around a mean (normal)",
    "lognormal": "mostly low, rarely high (lognormal)",
    "triangular": "low, likely, high (triangular)",
    "pert": "low, likely, high, smooth (PERT)",
    "uniform": "anything between (uniform)",
    "exponential": "a waiting time (exponential)",
    "gamma": "a sum of waiting times (gamma)",
    "weibull": "a lifetime (Weibull)",
    "student": "around a mean, with outliers (Student's t)",
    "beta": "a share, by beta",
    "poisson": "a count (Poisson)",
    "binomial": "hits of n attempts (binomial)",
    "bernoulli": "yes or no (Bernoulli)",
}
PARAMS = {
    "mean": "Mean",
    "sd": "Spread",
    "mu": "Mean of the logarithm",
    "sigma": "Spread of the logarithm",
    "low": "Low",
    "mode": "Likely",
    "high": "High",
    "alpha": "Alpha",
    "beta": "Beta",
    "p": "Chance, 0 to 1",
    "percent": "Percent between them",
    "n": "Attempts",
    "freedom": "Degrees of freedom",
}
PICTURES = {
    **{"lognormal_interval": "lognormal", "normal_interval": "normal", "pert": "beta", "gamma": "lognormal"},
    **{"weibull": "lognormal", "student": "normal", "binomial": "poisson", COLUMN: "choice"},
}


def _schema() -> dict[str, Any]:
    """The JSON schema of an input, for forms; `parse` says what is wrong with a value."""
    ways = [_way(name, title, {key: {"type": "number"} for key in KNOWN[name]}) for name, title in TITLES.items()]
    numbers = {"type": "array", "items": {"type": "number"}}
    ways.append(_way("choice", "one of these values", {"values": numbers, "weights": numbers}))
    ways.append(_way(COLUMN, "a value of the data", {"column": {"type": "string", "columns_of": "data"}}))
    constant = {"type": "number", "title": "always the same", "picture": "fixed"}
    return {"anyOf": [constant, {"oneOf": ways, "discriminator": {"propertyName": "distribution"}}]}


def _way(name: str, title: str, params: dict[str, dict[str, Any]]) -> dict[str, Any]:
    titled = {key: {**schema, "title": PARAMS.get(key, key.capitalize())} for key, schema in params.items()}
    named = {"distribution": {"const": name, "title": "It is"}}
    return {"type": "object", "title": title, "picture": PICTURES.get(name, name), "properties": named | titled}


Input = Annotated[Any, WithJsonSchema(_schema())]
"""A number, or a distribution as JSON."""


def parse(value: Any) -> Distribution:
    """Parse a distribution. Raises ValueError; its message continues a sentence such as “price: ...”."""
    if _is_number(value):
        return Distribution("constant", {"value": float(value)})
    if not isinstance(value, dict) or not isinstance(value.get("distribution"), str):
        raise ValueError('write a number, or {"distribution": "normal", "mean": 10, "sd": 2}.')
    name = value["distribution"]
    given = {key: part for key, part in value.items() if key != "distribution"}
    if name in ("choice", COLUMN):
        return _choice(given) if name == "choice" else _column(given)
    if name not in KNOWN:
        every = [*KNOWN, "choice", COLUMN]
        near = nearest(name, every)
        hint = f" Did you mean {near}?" if near else ""
        raise ValueError(f"there is no distribution “{name[:40]}”.{hint} There are {', '.join(every)}.")
    params = _numbers(name, given)
    if wrong := _misfit(name, params):
        raise ValueError(wrong)
    return Distribution(name, params)


def _numbers(name: str, given: dict[str, Any]) -> dict[str, float]:
    known = KNOWN[name]
    wanted = f"{name} takes {', '.join(known)}"
    if strange := [key for key in given if key not in known]:
        raise ValueError(f"{wanted}, not “{strange[0][:40]}”.")
    params = known | given
    for key, number in params.items():
        if not _is_number(number):
            raise ValueError(f"{wanted}; {key} is {'missing' if number is None else 'not a number'}.")
    return {key: float(number) for key, number in params.items() if number is not None}


def _misfit(name: str, given: dict[str, float]) -> str | None:
    """Why these params are not valid for the distribution; None if they are."""
    if spread := next((key for key in ("sd", "sigma") if given.get(key, 0) < 0), None):
        return f"{spread} is {given[spread]:g}; it must be 0 or more."
    if small := next((key for key in _POSITIVE.get(name, ()) if given[key] <= 0), None):
        return f"{small} is {given[small]:g}; it must be more than 0."
    if "p" in given and not 0 <= given["p"] <= 1:
        return "p must be a probability from 0 to 1."
    if "percent" in given and not 0 < given["percent"] < 100:
        return "percent must be between 0 and 100."
    return _misplaced(name, given)


def _misplaced(name: str, given: dict[str, float]) -> str | None:
    if "mode" in given and not (given["low"] <= given["mode"] <= given["high"] and given["low"] < given["high"]):
        return "low, mode and high must be in ascending order."
    if "low" in given and given["low"] > given["high"]:
        return f"low is {given['low']:g} and high is {given['high']:g}; low must not be above high."
    if name == "poisson" and not 0 <= given["mean"] <= 1e15:
        return "the mean of poisson must be 0 or more."
    if name == "binomial" and not (0 <= given["n"] <= 1e15 and given["n"] == int(given["n"])):
        return "n must be a whole number of 0 or more."
    return None


_POSITIVE = {
    **{"beta": ("alpha", "beta"), "exponential": ("mean",), "gamma": ("shape", "scale"), "weibull": ("shape", "scale")},
    **{"student": ("freedom",), "lognormal_interval": ("low", "high")},
}


def _column(given: dict[str, Any]) -> Distribution:
    if set(given) != {"column"} or not isinstance(given["column"], str) or not given["column"]:
        raise ValueError("column takes the name of a column of the data.")
    return Distribution(COLUMN, given)


def _choice(given: dict[str, Any]) -> Distribution:
    values = given.get("values")
    weights = given.get("weights") or ([1.0] * len(values) if isinstance(values, list) else [])
    if not isinstance(values, list) or not 0 < len(values) <= MOST_CHOICES or not all(map(_is_number, values)):
        raise ValueError(f"choice takes values, a list of 1 to {MOST_CHOICES:,} numbers, and optional weights.")
    fits = isinstance(weights, list) and len(weights) == len(values) and all(map(_is_number, weights))
    if set(given) - {"values", "weights"} or not fits or min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        raise ValueError("weights must be numbers of 0 or more, not all 0, one for each of values.")
    return Distribution(
        "choice", {"values": [float(v) for v in values], "weights": [w / sum(weights) for w in weights]}
    )


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:
        return False
