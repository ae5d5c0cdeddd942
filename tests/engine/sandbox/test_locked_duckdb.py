"""DuckDB over untrusted tables: one statement at a time, and nothing in reach but what it was opened for."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs.engine.sandbox import confined, locked_duckdb, spawn

MODULE = "tests.engine.sandbox.database"
WAYS_OUT = [
    "select content from read_text('{secret}')",
    "select content from read_text('{folder}/../{name}')",
    "select * from glob('{outside}/*')",
    "select * from read_csv('{secret}')",
    "select * from '{secret}'",
    "copy (select 1) to '{outside}/out.csv'",
    "attach '{outside}/other.duckdb'",
    "export database '{outside}/dump'",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set memory_limit = '64GB'",
    "reset lock_configuration",
    "install httpfs",
    "load httpfs",
    "select getenv('HOME')",
]


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, str]:
    """What the child needs to know: its table, and a file that is none of its business."""
    folder, secret = tmp_path / "folder", tmp_path / "secret.txt"
    folder.mkdir()
    secret.write_text("MARKER")
    duckdb.sql('select 7 as "a;b"').write_parquet(str(tmp_path / "[t]*.parquet"))
    return {
        "folder": str(folder),
        "table": str(tmp_path / "[t]*.parquet"),
        "outside": str(tmp_path),
        "secret": str(secret),
    }


def told(asked: dict[str, str], sql: str, **more: Any) -> dict[str, Any]:
    return confined.run(MODULE, asked | {"sql": sql} | more)


def test_it_reads_the_file_it_was_opened_for(asked: dict[str, str]) -> None:
    assert told(asked, "select c0 from read_parquet($file) as t(c0)") == {"rows": [[7]]}


@pytest.mark.parametrize("statement", WAYS_OUT)
def test_there_is_no_way_out(asked: dict[str, str], statement: str) -> None:
    before = {path: path.read_bytes() for path in Path(asked["outside"]).rglob("*") if path.is_file()}
    said = told(asked, statement.format(**asked, name="secret.txt"))
    assert "MARKER" not in str(said) and "refused" in said
    assert {path: path.read_bytes() for path in Path(asked["outside"]).rglob("*") if path.is_file()} == before


def test_two_statements_are_none(asked: dict[str, str]) -> None:
    assert told(asked, "select 1; select 2")["refused"].startswith("ValueError: One statement")


def test_it_is_never_opened_in_a_process_that_is_not_confined() -> None:
    with pytest.raises(RuntimeError, match="confined"), locked_duckdb.opened(1 << 28):
        pass


def test_nobody_else_opens_duckdb() -> None:
    """Its types and errors may be known; its functions are for one file."""
    opening = set()
    for path in (*(spawn.ROOT / "jobs").rglob("*.py"), *(spawn.ROOT / "webapp").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(value=ast.Name(id="duckdb"), attr=name) if name[0].islower():
                    opening.add(str(path.relative_to(spawn.ROOT)))
                case ast.ImportFrom(module="duckdb", names=names) if any(one.name[0].islower() for one in names):
                    opening.add(str(path.relative_to(spawn.ROOT)))
    assert opening == {"jobs/engine/sandbox/locked_duckdb.py"}


def test_no_text_is_filled_by_replacing_words_in_it() -> None:
    """What has been put in would be looked through for the next word."""
    filling = {
        (str(path.relative_to(spawn.ROOT)), node.lineno)
        for path in (*(spawn.ROOT / "jobs").rglob("*.py"), *(spawn.ROOT / "webapp").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace"
        if node.args and re.search(r"[{<%$][\w' +]*\w+[}>%$]|'[{<$]' \+", ast.unparse(node.args[0]))
    }
    assert filling == set()
