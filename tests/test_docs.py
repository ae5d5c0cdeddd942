"""The documents name only files, modules, commands and settings that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine import settings
from tests import kind_pages
from tests.test_architecture import FLOORS

CODE = Path(__file__).parents[1]
DOCUMENTS = [
    *sorted(CODE.glob("*.md")),
    *sorted((CODE / "docs").glob("*.md")),
    *sorted((CODE / "docs" / "decisions").glob("*.md")),
]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CODE)))
ROOTS = ("jobs", "webapp", "tests", "docs", "templates", "deploy")
SHOWN = {"jobs/word_count.py", "jobs/results/word_count.html"}  # what the kind in add-a-kind.md would be


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def code(text: str) -> str:
    """Everything that is set as code, inline and in blocks."""
    return "\n".join([*blocks(text, r"\w*"), *re.findall(r"`([^`\n]+)`", text)])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (CODE / "Makefile").read_text(), re.M))


def links(text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            yield target.split("#")[0]


def test_the_kind_that_is_shown_is_the_one_under_test() -> None:
    (shown,) = blocks((CODE / "docs" / "add-a-kind.md").read_text(), "python")
    assert shown == (CODE / "tests" / "sample_kinds" / "word_count.py").read_text()


def test_each_kind_has_its_page() -> None:
    there = {path.name: path.read_text() for path in kind_pages.FOLDER.glob("*.md")}
    wanted = kind_pages.pages()
    assert sorted(there) == sorted(wanted), "Run `make docs`."
    assert [name for name in wanted if there[name] != wanted[name]] == [], "Run `make docs`."


@each_document
def test_commands_exist(document: Path) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code(document.read_text())))
    assert named <= targets()


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    assert [target for target in links(document.read_text()) if not (document.parent / target).exists()] == []


@each_document
def test_files_that_are_named_are_there(document: Path) -> None:
    """Every path below one of our folders, and every one in code that ends like a file of ours."""
    text = code(document.read_text())
    named = set(re.findall(rf"(?<![\w/.])((?:{'|'.join(ROOTS)})/[\w/.-]*\w)/?(?![\w/.<*{{])", text))
    named |= set(re.findall(r"(?<![\w/.>-])([\w-]+(?:/[\w.-]+)+\.(?:py|md|html|js|css|toml|ya?ml))\b", text))
    assert [name for name in sorted(named - SHOWN) if not _exists(name)] == []


def _exists(name: str) -> bool:
    """From the top, or within the engine as in the architecture's drawing; a module also without its ending."""
    return any((base / end).exists() for base in (CODE, CODE / "jobs" / "engine") for end in (name, f"{name}.py"))


@each_document
def test_modules_that_are_named_are_there(document: Path) -> None:
    if document.name == "CHANGELOG.md":  # names modules that are gone
        return
    named = set(re.findall(r"\b(?:jobs|webapp|tests)(?:\.[a-z]\w*)+\b(?!/)", code(document.read_text())))
    paths = {name: name.replace(".", "/").removesuffix("/py") for name in named}
    missing = [name for name, path in paths.items() if not _exists(path) and not _exists(str(Path(path).parent))]
    assert missing == []


def test_the_packages_of_the_architecture_are_the_floors() -> None:
    text = (CODE / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| \d+ \| (.+?) \|", text, re.M)
    shown = [{name for name in re.findall(r"`([^`]+)`", row)} for row in rows]
    short = [{word.removeprefix("jobs.engine.") for word in row.split(" ")} for row in FLOORS]
    short[FLOORS.index("kinds of job")] = {"jobs/<kind>.py"}
    assert shown == short


def test_variables_that_are_named_are_settings() -> None:
    row = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", re.M)
    named = {name for names in row.findall((CODE / "README.md").read_text()) for name in re.findall(r"[A-Z_]+", names)}
    assert len(named) > 5
    known = Path(settings.__file__).read_text()
    assert [name for name in sorted(named) if f'"{name}"' not in known] == []
