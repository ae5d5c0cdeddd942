"""Source distributions from the package index: real files that nobody here made, for tests of readers and detectors.

`folder("csvkit")` gives the unpacked files of the version that tests/source-distributions.txt pins. pip downloads them, so its
settings (an index, a proxy, certificates) apply; nothing in them is built or run. They are cached in
$XDG_CACHE_HOME/legwork-tests (~/.cache/legwork-tests), outside the repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

PINS = Path(__file__).parent / "source-distributions.txt"
PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")
SECONDS = 300


def folder(name: str) -> Path:
    """The unpacked files of a pinned package. Where it cannot be fetched, the test fails in CI and is skipped elsewhere."""
    try:
        return unpacked(name)
    except (OSError, subprocess.SubprocessError) as error:
        said = f"The source distribution of {name} cannot be downloaded here: {_last_line(error)}"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)


def unpacked(name: str) -> Path:
    """As `folder`, raising OSError or SubprocessError. Only one of several test processes downloads it."""
    version, sha256 = pins()[name]
    target = _cache() / f"{name}-{version}-{sha256[:8]}"
    with (_cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=_cache()) as temporary:
                archive = _downloaded(name, version, sha256, Path(temporary))
                _unpack(archive, Path(temporary) / "new")
                (Path(temporary) / "new").rename(target)
    return target


def pins() -> dict[str, tuple[str, str]]:
    """The version and the SHA-256 of each package by its name."""
    lines = [line for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    found = [PIN.fullmatch(line) for line in lines]
    return {one["name"]: (one["version"], one["sha256"]) for one in found if one}


def _cache() -> Path:
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "legwork-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _downloaded(name: str, version: str, sha256: str, into: Path) -> Path:
    command = [sys.executable, "-m", "tests.source_distributions", name, version, str(into)]
    found = subprocess.run(
        command, cwd=PINS.parents[1], capture_output=True, text=True, check=True, timeout=SECONDS
    ).stdout.strip()
    path = into / found.rsplit("\n", 1)[-1]
    if (came := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
        raise OSError(f"{path.name} has the SHA-256 {came}, and {sha256} is pinned.")
    return path


def _unpack(archive: Path, into: Path) -> None:
    """Unpack below `into` only: no links out of it, no absolute paths, no devices."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(into)  # noqa: S202 - zipfile drops what leads out of the folder
    else:
        with tarfile.open(archive) as opened_tar:
            opened_tar.extractall(into, filter="data")


def _last_line(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (said or str(error)).strip().rsplit("\n", 1)[-1]


def download(name: str, version: str, into: Path) -> str:
    """Download one source distribution by pip's own finder and session, without `pip download`, which would build it.

    It returns the file's name. pip gives no promise for these functions; they are the same from pip 22 to 26.
    """
    from pip._internal.commands import create_command

    command = create_command("download")
    options, _ = command.parse_args(["--no-binary", ":all:", "--ignore-requires-python", "--quiet"])
    with command._build_session(options) as session:
        finder = command._build_package_finder(options, session)
        links = [one.link for one in finder.find_all_candidates(name) if str(one.version) == version]
        if not links:
            raise SystemExit(f"The index has no source distribution of {name} {version}.")
        with session.get(
            links[-1].url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True
        ) as answer:
            answer.raise_for_status()
            with (into / links[-1].filename).open("wb") as opened:
                shutil.copyfileobj(answer.raw, opened)
    return str(links[-1].filename)


if __name__ == "__main__":
    print(download(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
