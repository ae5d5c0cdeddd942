"""Where kinds are found, and how they are read again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.engine import kind_packages, settings
from jobs.engine.errors import NotFound
from jobs.engine.kinds import catalogue

KIND = '''"""Count."""
from typing import Any
from jobs.engine.sdk import Context, KindParams
TITLE, GROUP, QUEUE = "{title}", "Data and numbers", "{queue}"
class Params(KindParams):
    pass
EXAMPLE: dict[str, Any] = {{}}
def run(params: Params, context: Context) -> dict[str, Any]:
    return {{}}
'''
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a kind's file into a package of kinds; two saves in a row are seen apart."""
    package = tmp_path / "own_kinds"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalogue, "LOOK_SECONDS", 0.0)

    def save(name: str, text: str = KIND, *, title: str = "Count", queue: str = "cpu") -> None:
        (package / f"{name}.py").write_text(text.format(title=title, queue=queue) if text == KIND else text)

    yield save
    for name in [name for name in sys.modules if name.partition(".")[0] in ("own_kinds", "brought_kinds")]:
        del sys.modules[name]
    _forget()


def _forget() -> None:
    for remembered in (settings.current, catalogue._loaded, kind_packages.extra_folders):
        remembered.cache_clear()


@pytest.fixture
def reloading(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("counts")
    monkeypatch.setenv("EXTRA_KINDS", "own_kinds")
    monkeypatch.setenv("RELOAD_KINDS", "1")
    _forget()
    assert catalogue.kind("counts").title == "Count"


@pytest.mark.usefixtures("reloading")
class TestReloading:
    def test_a_file_that_is_saved_is_read_again(self, write: Write) -> None:
        version = catalogue.version()
        for title in ("Other", "Third"):  # of the same length, in the same second
            write("counts", title=title)
            assert catalogue.kind("counts").title == title
        assert catalogue.version() == version + 2

    def test_a_broken_file_changes_nothing_and_says_why(self, write: Write) -> None:
        write("counts", text="def run(:\n")
        found = catalogue.kind("counts")
        assert (found.title, found.available) == ("Count", True)
        assert found.trouble is not None
        assert "own_kinds/counts.py does not import: SyntaxError" in found.trouble
        assert "line 1" in found.trouble
        write("counts", text='"""x."""\nTITLE = "x"\n')
        assert "does not define GROUP" in (catalogue.kind("counts").trouble or "")
        write("counts", title="Mended")
        assert (catalogue.kind("counts").title, catalogue.kind("counts").trouble) == ("Mended", None)

    def test_files_may_come_and_go(self, write: Write, tmp_path: Path) -> None:
        write("another", text="import nothing_of_that_name")
        assert "ModuleNotFoundError" in (catalogue.kind("another").reason or "")
        (tmp_path / "own_kinds" / "another.py").unlink()
        with pytest.raises(NotFound):
            catalogue.kind("another")
        assert catalogue.kind("generate_texts").available


def test_a_queue_may_have_any_name(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("counts", queue="gpu")
    write("loud", queue="GPU!")
    monkeypatch.setenv("EXTRA_KINDS", "own_kinds")
    _forget()
    assert catalogue.queues() == ("io", "cpu", "mail", "gpu")
    assert "short name in lower case" in (catalogue.kind("loud").reason or "")


def test_an_installed_distribution_brings_kinds(write: Write, tmp_path: Path) -> None:
    (tmp_path / "brought_kinds" / "samples").mkdir(parents=True)
    (tmp_path / "brought_kinds" / "__init__.py").touch()
    (tmp_path / "brought_kinds" / "weigh.py").write_text(KIND.format(title="Weigh", queue="cpu"))
    information = tmp_path / "brought-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: brought\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[legwork.kinds]\nmine = brought_kinds\ngone = no_such_kinds\n")
    _forget()
    assert catalogue.kind("weigh").title == "Weigh"
    assert "of the installed package brought does not import" in (catalogue.kind("no_such_kinds").reason or "")
    assert kind_packages.extra_folders() == (tmp_path / "brought_kinds",)
