"""Tables that nobody here made: the vega-datasets package, fetched once and kept in pytest's cache."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

VEGA = "vega-datasets@2.11.0"


@pytest.fixture(scope="session")
def vega(request: pytest.FixtureRequest) -> Path:
    """The folder with the package's data."""
    folder = Path(request.config.cache.mkdir("vega-datasets-2.11.0"))
    data = folder / "package" / "data"
    if not data.is_dir():
        subprocess.run(["npm", "pack", "--silent", VEGA], cwd=folder, check=True, timeout=120)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extractall(folder / "new", filter="data")
        (folder / "new" / "package").rename(folder / "package")
    return data
