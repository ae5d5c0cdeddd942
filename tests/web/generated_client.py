"""Calls every operation of a client that openapi-python-client made: `python generated_client.py ADDRESS`, beside the package.

It prints a line an operation that could not be called, or that answered what the description does not say.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import io
import pkgutil
import sys
import traceback
import types
import typing
from typing import Any

import attrs
import httpx
from client import Client, api, models
from client import types as basics


def value(kind: Any, depth: int = 0) -> Any:
    """The plainest value of this type."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return value(next(one for one in parts if one not in (basics.Unset, type(None))), depth)
    if origin is typing.Literal:
        return parts[0]
    if origin is list or depth > 5:
        return []
    if kind is basics.File:
        return basics.File(payload=io.BytesIO(b"name,price\nLamp,39\n"), file_name="prices.csv", mime_type="text/csv")
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if attrs.has(kind):
        hints = typing.get_type_hints(kind, vars(models) | vars(importlib.import_module(kind.__module__)))
        needed = [one for one in attrs.fields(kind) if one.default is attrs.NOTHING and one.init]
        return kind(**{one.name: value(hints[one.name], depth + 1) for one in needed})
    return {str: "00000000-0000-7000-8000-000000000000", int: 1, float: 1.0, bool: False}.get(kind, kind)


def call(client: Client, module: Any) -> int:
    hints = typing.get_type_hints(module.sync_detailed, vars(models) | vars(module))
    given = {
        name: value(hints[name])
        for name, one in inspect.signature(module.sync_detailed).parameters.items()
        if name != "client" and (one.default is inspect.Parameter.empty or name == "body")
    }
    return int(module.sync_detailed(client=client, **given).status_code)


def main() -> None:
    client = Client(base_url=f"{sys.argv[1]}/api/v1", timeout=httpx.Timeout(20.0), raise_on_unexpected_status=True)
    called, uploaded = 0, None
    for found in pkgutil.walk_packages(api.__path__, "client.api."):
        if found.ispkg:
            continue
        name = found.name.rpartition(".")[2]
        try:
            status = call(client, importlib.import_module(found.name))
        except Exception:
            print(name, traceback.format_exc(limit=-2))
            continue
        called += 1
        uploaded = status if name == "upload_file" else uploaded
        if status >= 500:
            print(name, status)
    print(f"called {called}, upload {uploaded}")


if __name__ == "__main__":
    main()
