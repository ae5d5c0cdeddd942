"""Texts that are made to take for ever: each is done with, or refused in a sentence, long before its turn is over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import formats
from jobs.engine.kits.tools.web import _shown
from jobs.engine.library.chunking import chunks
from jobs.engine.mail.addresses import parse_address
from jobs.engine.mail.compose import OutgoingMail, compose_message, plain_text_of
from jobs.engine.sandbox import sanitize_html, spawn

BROKEN = [
    *("<a ", "<a b='", "<!--", "<![", "<!", "</", "<?", "<script>", "<!DOCTYPE ", "<![CDATA[", "&", "<p>", "<svg>"),
    *("<table><tr><td>", "<font>x</p>", "<select>", "<title>", "<textarea>", "<a href=x>"),
]
GENEROUS = 60.0  # seconds for what takes one, and would take hours


def in_time(script: str) -> str:
    """What a script prints, run by a process of its own: an endless loop in C could not be ended otherwise."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=spawn.ROOT, capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


@pytest.mark.slow
def test_broken_html_is_read_in_time() -> None:
    script = f"""
from jobs.engine.errors import BadInput
from jobs.engine.mail.compose import plain_text_of
from jobs.engine.kits.tools.web import _shown
for piece in {BROKEN!r}:
    for read in (plain_text_of, _shown):
        try:
            read("before " + piece * (100_000 // len(piece)))
        except BadInput as error:
            assert "tags open at once" in error.message
print("done")
"""
    assert in_time(script) == "done\n"


def test_broken_html_still_says_what_it_says() -> None:
    assert plain_text_of("<p>Dear <b>Ann</b><p>you<br>again < <a href='https://example.org'>here") == (
        "Dear Ann\n\nyou\nagain < here (https://example.org)\n"
    )
    page = "<title>Bread</title><body><h1>Rye</h1><script>if (a < b) x()</script><div>keeps &lt; a week<template>no</template>"
    assert _shown(page) == "Bread\nRye\nkeeps < a week"


@pytest.mark.parametrize("deep", ["<div>", "<div></x>", "<b><i>", "<DIV a=1>", "<div/>"])
def test_html_without_an_end_is_refused(deep: str) -> None:
    with pytest.raises(BadInput, match="more than 500 tags open at once"):
        sanitize_html.check(deep * 501)
    with pytest.raises(BadInput, match="more than 500 tags open at once"):
        compose_message(
            OutgoingMail(parse_address("ann@example.org"), parse_address("nora@example.org"), "Hi", "Hello", deep * 501)
        )


def test_html_as_people_write_it_is_not() -> None:
    sanitize_html.check(
        "<ul>" + "<li>one<br>two" * 5_000 + "</ul>" + "<table><tr><td>x</table>" * 5_000 + "a < b " * 5_000
    )


@pytest.mark.slow
def test_headings_and_comments_are_found_in_time(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("<!---->" * 5_000 + "words")
    script = f"""
from pathlib import Path
from jobs.engine.library.chunking import chunks
from jobs.engine.formats.extraction import formats, markup
print(formats.reader(Path({str(path)!r}), "x.txt").__name__)
list(chunks("# a" + " #" * 200_000 + " x", 100, 0))
for text in ("![" * 200_000, "![](" * 200_000):
    markup._PICTURE.sub("", text)
for text in ("```" * 100_001, "`" + "a" * 200_000, "|" * 200_000, "\\\\" * 200_000):
    markup._plain(text)
"""
    assert in_time(script) == "read\n"
    path.write_text("<!-- one --> <!-- two -->\n<html>words")
    assert formats.reader(path, "x.txt").__name__ == "page"
    [piece] = chunks("# Bread ##\n\nRye.", 100, 0)
    assert (piece.headings, piece.text) == ("Bread", "Rye.")
