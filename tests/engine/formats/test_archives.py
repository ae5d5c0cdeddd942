"""Names in ZIP archives that do not say which encoding they are in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from jobs.engine.formats.extraction import archives


def packed(path: Path, names: list[bytes]) -> Path:
    """An archive with these bytes for names, and no flag for UTF-8."""
    places = [f"{index:02d}".ljust(len(name), "_")[: len(name)] for index, name in enumerate(names)]
    with zipfile.ZipFile(path, "w") as archive:
        for place in places:
            archive.writestr(place, "x")
    data = path.read_bytes()
    for place, name in zip(places, names, strict=True):
        data = data.replace(place.encode(), name)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["Grüße.txt", "東京 – 2026.csv", "😀.txt"], "utf-8"),  # a Mac
        (["Grüße.txt", "naïve café.txt", "Ñandú ±5°.txt"], "cp437"),
        (["東京の売上.csv", "大阪.csv", "plain.txt"], "cp932"),
        (["отчёт продажи.txt", "Москва 2024.txt"], "cp866"),
        (["Ærø Ø.txt", "naïve À.txt"], "cp850"),
        (["Grüße.txt", "Ärger – x.txt"], "cp1252"),
        (["Łódź.txt", "żółw.txt"], "cp852"),
        (["ソ能表.txt"], "cp932"),  # with the byte of a backslash as the second half of letters
        (["テスト.txt"], "cp932"),
        (["报告.txt", "会议.docx"], "gb18030"),
        (["報告.txt", "會議.docx"], "big5"),
        (["보고서.txt"], "cp949"),
        (["Αναφορά.txt"], "cp737"),
    ],
)
def test_names_are_read_in_the_encoding_they_seem_to_be_in(tmp_path: Path, names: list[str], encoding: str) -> None:
    path = packed(tmp_path / "a.zip", [name.encode(encoding) for name in names])
    assert [one.name for one in archives.members(path)] == names


def test_each_name_that_is_utf_8_is_taken_as_such(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ["Grüe.txt".encode(), b"T" + "会社議".encode("cp932") + b".txt"])
    assert [one.name for one in archives.members(path)] == ["Grüe.txt", "T会社議.txt"]


def test_a_name_with_the_flag_stays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("東京/α.txt", "x")
    assert [one.name for one in archives.members(tmp_path / "a.zip")] == ["α.txt"]


def test_folders_clutter_and_names_that_are_none(tmp_path: Path) -> None:
    names = [
        b"dir\\sub\\a.txt",
        b"dir\\",
        b"__MACOSX/._b.txt",
        b"x\\__MACOSX\\c.txt",
        b"x\\.DS_Store",
        b"._d.txt",
        b"e/..",
    ]
    found = archives.members(packed(tmp_path / "a.zip", names))
    assert [(one.name, one.path) for one in found] == [("a.txt", "dir/sub/a.txt"), ("unnamed", "e/..")]
