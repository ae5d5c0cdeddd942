from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobs.engine.db.models import File
from jobs.engine.db.postgres import session
from jobs.engine.errors import BadInput
from jobs.engine.files import inputs
from jobs.engine.files.storage import blob_storage
from jobs.engine.formats import tables
from jobs.engine.formats.tables import ReadOptions

ME = "local"
SAMPLES = sorted(path.name for path in inputs.SAMPLES.iterdir())


@pytest.fixture
def upload(environment: Callable[..., None]) -> Callable[..., File]:
    def put(content: bytes, name: str = "x.csv", **fields: Any) -> File:
        blob = blob_storage().put(io.BytesIO(content), None)
        known = {"owner": ME, "name": name, "media_type": "text/csv", "bytes": blob.bytes, "sha256": blob.sha256}
        file = File(**{**known, "blob": blob.key, **fields})
        with session() as opened:
            opened.add(file)
        return file

    return put


def test_an_upload_is_found_and_read(upload: Callable[..., File]) -> None:
    file = upload("a;b\n1;é\n".encode())
    found = inputs.find_input(str(file.id), ME)

    assert (found.ref, found.name, found.media_type, found.bytes) == (str(file.id), "x.csv", "text/csv", 9)
    assert found.table().columns == ["a", "b"]
    assert (list(found.rows()), found.count()) == ([{"a": "1", "b": "é"}], 1)
    assert list(found.rows(ReadOptions(encoding="latin-1", delimiter=","))) == [{"a;b": "1;Ã©"}]
    assert found.table(ReadOptions(delimiter=",")).columns == ["a;b"]
    with found.path() as path:
        assert path.read_bytes() == "a;b\n1;é\n".encode()


def test_a_workbook_is_read_although_its_blob_has_no_suffix(upload: Callable[..., File], tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.append([1])
    book.save(tmp_path / "book.xlsx")
    found = inputs.find_input(str(upload((tmp_path / "book.xlsx").read_bytes(), "book.xlsx").id), ME)

    assert (found.table().format, list(found.rows()), found.count()) == ("xlsx", [{"a": 1}], 1)


def test_what_the_upload_found_out_is_not_found_out_again(upload: Callable[..., File], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("known,before\n1,2\n")
    known = tables.describe_here(path, "x.csv")
    file = upload(b"a,b\n1,2\n", table=known.as_json())
    assert inputs.find_input(str(file.id), ME).table() == known
    assert inputs.find_input(str(file.id), ME).table(ReadOptions(encoding="utf-8")).columns == ["a", "b"]
    older = upload(b"a,b\n1,2\n", table=known.as_json() | {"version": 1})
    assert inputs.find_input(str(older.id), ME).table().columns == ["a", "b"]


def test_others_hidden_and_unknown_files_are_not_told_apart(upload: Callable[..., File]) -> None:
    refs = [
        str(upload(b"x", owner="somebody").id),
        str(upload(b"x", visible=False).id),
        str(uuid4()),
        "x",
        "",
        "../x",
        "a\0b",
    ]
    sentences = set()
    for ref in refs:
        with pytest.raises(BadInput) as raised:
            inputs.find_input(ref, ME)
        sentences.add(raised.value.message)
    assert sentences == {"There is no such file. It may have been deleted; upload it again."}


def test_a_sample_is_found_without_a_database() -> None:
    found = inputs.find_input("sample:reviews.csv", ME)

    assert (found.name, found.media_type) == ("reviews.csv", "text/csv")
    assert found.table().columns == ["id", "product", "stars", "review", "language"]
    assert found.count() == len(list(found.rows())) == 12
    assert {row["language"] for row in found.rows()} == {"en", "de", "fr"}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_can_be_named(name: str) -> None:
    assert inputs.find_input(f"sample:{name}", ME).bytes > 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../engine/settings.py",
        "/etc/passwd",
        "reviews.csv\n",
        "reviews.csv\0",
        "REVIEWS.CSV",
        "./reviews.csv",
        "none.csv",
        ".hidden",
    ],
)
def test_a_sample_is_only_a_file_in_the_folder_of_samples(name: str) -> None:
    with pytest.raises(BadInput, match="no such sample"):
        inputs.find_input(f"sample:{name}", ME)
