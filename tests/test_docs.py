"""What the documents say is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine import settings
from tests import kind_pages

CODE = Path(__file__).parents[1]
DOCUMENTS = [CODE / "README.md", *sorted((CODE / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def code(text: str) -> str:
    """Everything that is set as code, inline and in blocks."""
    return "\n".join([*blocks(text, "sh"), *re.findall(r"`([^`\n]+)`", text)])


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
    named = re.findall(r"\b((?:jobs|webapp|tests|docs)/[\w/.-]+\.(?:py|md|csv))\b", code(document.read_text()))
    assert [name for name in named if not (CODE / name).exists() and name != "jobs/word_count.py"] == []


def test_variables_that_are_named_are_settings() -> None:
    row = re.compile(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", re.M)
    named = {name for names in row.findall((CODE / "README.md").read_text()) for name in re.findall(r"[A-Z_]+", names)}
    assert len(named) > 5
    known = Path(settings.__file__).read_text()
    assert [name for name in sorted(named) if f'"{name}"' not in known] == []
