"""File names that every file system, archive and header takes."""

from __future__ import annotations

import pytest

from jobs.engine.file_names import ascii_name, safe_name, unique_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b\\c.csv", "a_b_c.csv"), ("x\r\nSet-Cookie: a=b", "x_Set-Cookie_ a=b"), ("..", "file"), ("", "file"),
        ("photo\u202egnp.exe", "photo_gnp.exe"), ("a\x85b\u2028c\u200ed", "a_b_c_d"), ("\ud800x.csv", "_x.csv"),
        ("größe.csv", "größe.csv"), ("“x” € 1.csv", "“x” € 1.csv"), ("👩\u200d👧.png", "👩\u200d👧.png"),
        ("con.txt", "_con.txt"), ("COM1", "_COM1"), ("Console.txt", "Console.txt"), ("x. ", "x"),
        ("n" * 400 + ".csv", "n" * 196 + ".csv"), ("東" * 255 + ".csv", "東" * 65 + ".csv"),
    ],
)  # fmt: skip
def test_a_name_harms_nobody(name: str, safe: str) -> None:
    assert safe_name(name) == safe and len(safe.encode()) <= 200


@pytest.mark.parametrize(
    ("name", "plain"),
    [("März.csv", "Marz.csv"), ("東京.csv", "file.csv"), ("100 €.csv", "100 _.csv"), ("a%20b.csv", "a_20b.csv")],
)
def test_the_name_for_programs_that_know_only_ascii(name: str, plain: str) -> None:
    assert ascii_name(name) == plain


def test_a_name_that_is_taken_gets_a_number_whatever_its_case_and_composition() -> None:
    taken: set[str] = set()
    names = [unique_name(name, taken) for name in ("a.csv", "A.csv", "a (2).csv", "é.txt", "e\u0301.txt", "x", "x")]
    assert names == ["a.csv", "A (2).csv", "a (2) (2).csv", "é.txt", "e\u0301 (2).txt", "x", "x (2)"]
