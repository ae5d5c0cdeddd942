"""Tables that nobody here made: the vega-datasets package, fetched once and kept in pytest's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.npm import package

VEGA = "vega-datasets@2.11.0"


@pytest.fixture(scope="session")
def vega(request: pytest.FixtureRequest) -> Path:
    """The folder with the package's data."""
    return package(request, VEGA) / "data"
