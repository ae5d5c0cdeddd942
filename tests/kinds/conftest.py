"""What the tests of kinds share: tables and documents that nobody here made, fetched once and kept in pytest's cache."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.engine.conftest import vega

__all__ = ["vega"]


@pytest.fixture(scope="session")
def papers(request: pytest.FixtureRequest) -> Path:
    """Scientific papers as PDF, and one that is none: the test data of the npm package pdf-parse."""
    return _packed(request, "pdf-parse@1.1.1") / "test" / "data"


@pytest.fixture(scope="session")
def letters(request: pytest.FixtureRequest) -> Path:
    """Small files of Word: the test data of the npm package mammoth."""
    return _packed(request, "mammoth@1.4.0") / "test" / "test-data"


def _packed(request: pytest.FixtureRequest, name: str) -> Path:
    folder = Path(request.config.cache.mkdir(name.replace("@", "-")))
    if not (folder / "package").is_dir():
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, timeout=120)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extractall(folder / "new", filter="data")
        (folder / "new" / "package").rename(folder / "package")
    return folder / "package"
