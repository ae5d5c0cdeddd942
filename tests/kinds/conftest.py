"""What the tests of kinds share: tables and documents that nobody here made, fetched once and kept in pytest's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.conftest import vega
from tests.npm import package

__all__ = ["vega"]


@pytest.fixture(scope="session")
def papers(request: pytest.FixtureRequest) -> Path:
    """Scientific papers as PDF, and one that is none: the test data of the npm package pdf-parse."""
    return package(request, "pdf-parse@1.1.1") / "test" / "data"


@pytest.fixture(scope="session")
def letters(request: pytest.FixtureRequest) -> Path:
    """Small files of Word: the test data of the npm package mammoth."""
    return package(request, "mammoth@1.4.0") / "test" / "test-data"
