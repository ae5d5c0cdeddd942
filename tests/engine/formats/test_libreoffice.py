"""The call of LibreOffice and its limits, by a program that only says it is soffice. The real one is not needed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import libreoffice
from jobs.engine.sandbox import confined

# Writes down what it was called with and what it can reach. As the real one does, it converts only from its second start on.
SOFFICE = """#!{python}
import json, os, socket, sys
from pathlib import Path
arguments = sys.argv[1:]
profile = Path(next(one for one in arguments if one.startswith("-env:UserInstallation=file://")).partition("file://")[2])
source, folder = Path(arguments[-1]), Path(arguments[arguments.index("--outdir") + 1])
def tried(do):
    try:
        do()
        return "done"
    except OSError as error:
        return type(error).__name__
def called(family, address):
    with socket.socket(family) as one:
        one.connect(address)
found = {{
    "arguments": arguments, "environment": sorted(os.environ), "source": source.read_text(),
    "network": tried(lambda: called(socket.AF_INET, ("127.0.0.1", 9))),
    "local": tried(lambda: called(socket.AF_UNIX, {socket!r})),
    "own": tried(lambda: socket.socket(socket.AF_UNIX).close()),
    "secret": tried(lambda: Path({secret!r}).read_text()),
    "outside": tried(lambda: Path({secret!r}).with_name("new").write_text("x")),
}}
first = not (profile / "made").exists()
(profile / "made").write_text("")
if first or "BROKEN" in source.read_text():
    sys.exit(81)
if "FOREVER" in source.read_text():
    while True:
        pass
(folder / "source.pdf").write_text(json.dumps(found))
"""


@pytest.fixture
def soffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`soffice(text)` is the file that the program makes of a document with this text."""
    programs, work = tmp_path / "programs", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    (tmp_path / "secret").write_text("secret")
    program = programs / "soffice"
    values = {"python": sys.executable, "socket": str(tmp_path / "socket"), "secret": str(tmp_path / "secret")}
    program.write_text(SOFFICE.format(**values))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def convert(text: str) -> Path:
        source = tmp_path / "stored"
        source.write_text(text)
        return libreoffice.convert(source, "doc", "pdf", work)

    return convert


def test_it_converts_one_file_and_reaches_nothing_else(soffice: Callable[[str], Path]) -> None:
    made = soffice("DOCUMENT-1")
    found = json.loads(made.read_text())
    assert found["source"] == "DOCUMENT-1"
    assert found["arguments"][-5:] == [
        "--convert-to",
        "pdf",
        "--outdir",
        str(made.parent),
        str(made.parent / "source.doc"),
    ]
    assert "--headless" in found["arguments"]
    assert set(found["environment"]) <= {"HOME", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR"}
    if confined.run("jobs.engine.sandbox", {})["network"] == "filter":
        assert (found["network"], found["local"], found["own"]) == ("PermissionError", "PermissionError", "done")
    if confined.run("jobs.engine.sandbox", {})["files"]:
        assert (found["secret"], found["outside"]) == ("PermissionError", "PermissionError")


def test_what_it_cannot_open_is_said(soffice: Callable[[str], Path]) -> None:
    with pytest.raises(BadInput, match="LibreOffice cannot open this file"):
        soffice("BROKEN")


def test_its_time_is_limited(soffice: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "SECONDS", 2)
    with pytest.raises(confined.TooCostly):
        soffice("FOREVER")


def test_without_it_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="apt-get install libreoffice-writer-nogui"):
        libreoffice.convert(tmp_path / "x.doc", "doc", "docx", tmp_path)
