"""Text documents by pandoc, and tables as Markdown."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.sandbox.confined import BROKEN
from jobs.engine.sandbox.parent_death import tied_to_this_process

TABLES = Path(__file__).with_name("tables.lua")
HEAP_OVERFLOW = 251  # pandoc's exit code
_TEMPLATE = "$title$\n\x01\n$body$\n"
_SPACES = re.compile(r"(?<=\S)[ \t\u00a0]{2,}(?=\S)")
_PICTURE = re.compile(r"!\[([^\[\]]*)\]\([^()]*\)")
_WITHIN = re.compile(r"\[((?:\\.|[^\[\]\\])*)\]\(#[^)\s]*\)")  # a link to another place of the same document
_RULES = re.compile(r"^\|[ :|-]+\|$", re.M)
_ESCAPE = re.compile(r"(?s)(```.*?```|`[^`\n]+`)|(?<!^)\\([\[\]*_<>$~`^#&'\"!{}-])", re.M)


def by_pandoc(path: Path, format: str, *, tables: bool = True) -> tuple[str, str]:
    """The title and the text with Markdown's headings and tables. Raises BadInput where pandoc cannot read it.

    tables: whether it may have some; without them pandoc takes half of the time.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as template:
        template.write(_TEMPLATE)
        template.flush()
        done = subprocess.run(
            [
                *(pandoc(), "--sandbox", "--from", format, "--to", "gfm-raw_html", "--wrap=none"),
                *("--standalone", f"--template={template.name}"),
                *([f"--lua-filter={TABLES}"] if tables else []),
                *(str(path), "+RTS", "-M1g", "-RTS"),
            ],
            capture_output=True,
            preexec_fn=tied_to_this_process(),
        )
    if done.returncode == HEAP_OVERFLOW:
        raise MemoryError
    if done.returncode:
        raise BadInput(BROKEN, reason="broken")
    title, _, text = done.stdout.decode("utf-8", "replace").partition("\n\x01\n")
    return _plain(title), _plain(_WITHIN.sub(r"\1", _PICTURE.sub(r"\1", text)))


@cache
def pandoc() -> str:
    """The path of pandoc in its wheel. The wheel's own function would start pandoc once more."""
    found = importlib.util.find_spec("pypandoc")
    for place in (found.submodule_search_locations or []) if found else []:
        if (program := Path(place) / "files" / "pandoc").is_file():
            return str(program)
    import pypandoc

    return str(pypandoc.get_pandoc_path())


def _plain(markdown: str) -> str:
    """Without the backslashes and the padding that only a Markdown program needs."""
    narrow = _RULES.sub(lambda rule: re.sub("-+", "---", rule[0]), markdown)
    unescaped = _ESCAPE.sub(lambda found: found[1] or found[2], narrow)
    return _SPACES.sub(" ", unescaped).strip()


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a table of Markdown, the first as its header. Rows and last columns that are all empty are left out."""
    filled = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    width = max((place for row in filled for place, cell in enumerate(row, 1) if cell), default=0)
    lines = [f"| {' | '.join([*row, *[''] * width][:width])} |" for row in filled]
    return "\n".join([*lines[:1], f"|{' --- |' * width}", *lines[1:]]) if lines else ""
