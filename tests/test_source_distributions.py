"""The helper that downloads source distributions for other tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tests import source_distributions


def test_every_pin_can_be_read() -> None:
    lines = [line for line in source_distributions.PINS.read_text().splitlines() if "==" in line]
    assert len(source_distributions.pins()) == len(lines) > 0


def test_files_are_downloaded_once_and_have_the_pinned_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = source_distributions.folder("agate")
    assert list(first.rglob("examples/test.csv"))
    monkeypatch.setattr(source_distributions, "_downloaded", lambda *_: pytest.fail("It is cached."))
    assert source_distributions.folder("agate") == first


@pytest.mark.parametrize(("ci", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_an_index_a_test_fails_in_ci_and_is_skipped_elsewhere(
    ci: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"XDG_CACHE_HOME": str(tmp_path), "CI": ci, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(outcome, match="The source distribution of agate cannot be downloaded here: The index has no"):
        source_distributions.folder("agate")


def test_nothing_is_unpacked_outside_of_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 1
        opened.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(tarfile.OutsideDestinationError):
        source_distributions._unpack(archive, tmp_path / "new")
    assert not (tmp_path / "outside.txt").exists()
