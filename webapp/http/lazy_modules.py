"""Lazy loading of modules that third-party code imports at the top but seldom uses."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def put_off(name: str) -> None:
    """Replace the module by a stand-in that loads it at the first attribute access.

    importlib's LazyLoader does not help: in Python 3.11 the import statement itself loads the module.
    """
    if name in sys.modules:
        return
    stand_in = ModuleType(name)

    def load(attribute: str) -> Any:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    stand_in.__getattr__ = load  # type: ignore[method-assign]
    sys.modules[name] = stand_in
