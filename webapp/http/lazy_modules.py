"""Modules that others import at their top and seldom use: loaded at their first use, not with the web process."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def put_off(name: str) -> None:
    """Until something of it is asked for, `import name` gives a module that has nothing yet.

    importlib's own LazyLoader is of no use here: in Python 3.11 already the import statement wakes it.
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
