"""What the tests of kinds share: tables that nobody here made."""

from __future__ import annotations

from tests.engine.conftest import vega

__all__ = ["vega"]
