"""Connections: the providers of models that can be asked, each under a name, and which one a model is asked of.

`default` is the one of OPENAI_BASE_URL and OPENAI_API_KEY. Others stand in the setting CONNECTIONS, and in the table that
`jobs.engine.connections` reads: this package must work without a database, so that one hands its reader in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from jobs.engine import settings
from jobs.engine.errors import JobFailed, SettingsError
from jobs.engine.llm import model_list, prices
from jobs.engine.llm.prices import Rates

DEFAULT = "default"
KINDS = ("openai", "anthropic")
ABILITIES = ("chat", "embeddings", "moderation", "batches", "pictures", "tools", "schemas")
LONGEST_CHAIN = 5
KNOWN_SECONDS = 3.0  # how long the table's connections are believed
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Connection:
    """A provider. models: those that may be asked, the first one without a name; empty: all that it lists.

    prices: dollars for a million tokens, by model. fallback: a connection, or model@connection, to ask where this one cannot be
    reached. checked: the address was typed into a page, so it must not lead into the network of this machine.
    """

    name: str
    kind: str
    address: str
    key: str = field(default="", repr=False)
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    prices: Mapping[str, Any] = field(default_factory=dict)
    can: tuple[str, ...] = ("chat",)
    fallback: str = ""
    checked: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or self.address

    def own_rates(self, model: str) -> Rates | None:
        found = self.prices.get(model)
        return Rates.of(found) if isinstance(found, Mapping) else None

    def rates(self, model: str) -> Rates | None:
        """The price of a model here; None where none is known."""
        return self.own_rates(model) or prices.public_rates(model, self.address)


@dataclass(frozen=True)
class ModelTarget:
    """A model of a connection."""

    connection: Connection
    model: str


_reader: list[Callable[[], Sequence[Connection]]] = []
_known: list[tuple[float, dict[str, Connection]]] = []


def saved_from(read: Callable[[], Sequence[Connection]]) -> None:
    """Also offer the connections that this function reads, asked at most once a period."""
    _reader[:] = [read]


def forget() -> None:
    """Read the table again at the next call."""
    _known.clear()


def default() -> Connection:
    current = settings.current()
    models = (current.model, *current.models_allowed) if current.models_allowed else ()
    can = ("chat", "embeddings", "moderation", "tools", "schemas")
    return Connection(
        DEFAULT, "openai", model_list.base_url(), current.openai_api_key, models, prices=current.prices, can=can
    )


def named() -> dict[str, Connection]:
    """All but the default one, by name. Those of the setting go before those of the table."""
    if not _known or time.monotonic() - _known[0][0] > KNOWN_SECONDS:
        saved = {one.name: one for read in _reader for one in read()}
        of_setting = {one.name: one for one in map(_of_setting, settings.current().connections)}
        _known[:] = [(time.monotonic(), saved | of_setting)]
    return _known[0][1]


def target(name: str) -> ModelTarget:
    """What `model`, `model@connection` or `@connection` names. Raises JobFailed for a model that may not be asked there."""
    model, at, where = name.rpartition("@")
    found = named().get(where) if at else None
    if found is None:
        return ModelTarget(
            default(), model_list.chosen_model("" if name == f"@{DEFAULT}" else name.removesuffix(f"@{DEFAULT}"))
        )
    if not model and not found.models:
        raise JobFailed(f"Name the model to ask of the connection {where}, as in model@{where}.", reason="no_model")
    model = model or found.models[0]
    if found.models and model not in found.models:
        raise JobFailed(
            f"The connection {where} has no model “{model[:80]}”. It has: {', '.join(found.models[:8])}.",
            reason="no_model",
        )
    return ModelTarget(found, model)


def rates(name: str) -> Rates | None:
    """The price of an embedding model, which MODELS_ALLOWED says nothing about; None where none is known."""
    model, at, where = name.rpartition("@")
    found = named().get(where) if at else None
    return default().rates(name) if found is None else found.rates(model)


def chain(name: str) -> list[ModelTarget]:
    """The target, and those to ask in turn where it cannot be reached."""
    found = [target(name)]
    while (following := found[-1].connection.fallback) and len(found) < LONGEST_CHAIN:
        bare = following in named() or following == DEFAULT
        one = target(f"@{following}" if bare else following)
        if one in found:
            break
        found.append(one)
    return found


def setup_error() -> str | None:
    """Why no model can be asked here, as a sentence; None where one can."""
    if settings.current().has_model or named():
        return None
    return "No model is connected. Set OPENAI_API_KEY or OPENAI_BASE_URL, then start again."


def models() -> list[str]:
    """The models on offer, the default one first; those of other connections as model@connection."""
    return [*model_list.models(), *offered()]


def offered() -> Iterator[str]:
    """`model@connection` of all connections but the default one."""
    for one in named().values():
        listed = one.models or (model_list.listed(one.address, one.key) if one.kind == "openai" else ())
        yield from (f"{model}@{one.name}" for model in listed)


def _of_setting(given: Any) -> Connection:
    if not isinstance(given, Mapping):
        raise SettingsError("CONNECTIONS must be a list of objects.")
    try:
        return made(**{str(name): value for name, value in given.items()})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"CONNECTIONS has a connection that is not valid: {error}") from None


def made(
    *,
    name: str,
    address: str,
    kind: str = "openai",
    key: str = "",
    models: Sequence[str] = (),
    requests_per_minute: int | None = None,
    prices: Mapping[str, Any] | None = None,
    can: Sequence[str] = ("chat",),
    fallback: str = "",
    checked: bool = False,
) -> Connection:
    """A connection out of what a person wrote. Raises ValueError with a sentence."""
    if not _NAME.fullmatch(name) or name == DEFAULT:
        raise ValueError(f"The name {name[:80]!r} must have letters a to z, digits, - and _, and not be {DEFAULT}.")
    if kind not in KINDS:
        raise ValueError(f"The kind of {name} must be {' or '.join(KINDS)}.")
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
        raise ValueError(f"The address of {name} must begin with https:// or http://.")
    if unknown := set(can) - set(ABILITIES):
        raise ValueError(f"{name} cannot do {', '.join(sorted(unknown))}; there are {', '.join(ABILITIES)}.")
    for model, price in (prices or {}).items():
        try:
            fine = isinstance(price, Mapping) and "input" in price and Rates.of(price).input >= 0
        except ArithmeticError:
            fine = False
        if not fine:
            raise ValueError(f"The price of {model} must have input and output, in dollars for a million tokens.")
    address = address.rstrip("/")
    return Connection(
        name, kind, address, key, tuple(models), requests_per_minute, prices or {}, tuple(can), fallback, checked
    )
