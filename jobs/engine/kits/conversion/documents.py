"""Converts documents by pandoc, and to PDF by pandoc and typst. Neither reads other files or the network."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats import fonts
from jobs.engine.formats.extraction import markup, plain
from jobs.engine.formats.extraction.office import rtf, word
from jobs.engine.formats.tables import detect
from jobs.engine.kits.conversion import layout, look
from jobs.engine.sandbox.parent_death import tied_to_this_process

READERS = {"md": "gfm", "report": "gfm", "txt": "gfm+hard_line_breaks", "html": "html", "tex": "latex"}
WRITERS = {"md": "gfm", "html": "html5", "epub": "epub3", "txt": "plain", "pdf": "typst"}
NO_MARKUP = ("report", "txt")  # HTML in these is plain text
ARCHIVES = ("docx", "odt", "epub")
MOST_UNPACKED = 400_000_000  # bytes
MOST_PARTS = 10_000
MOST_WARNINGS = 10
WARNINGS = {  # how pandoc's begin, and what is said of one and of many
    "Could not convert TeX math": (
        "formula could not be converted, and stands as TeX",
        "formulas could not be converted, and stand as TeX",
    ),
    "Reference not found": ("reference leads nowhere", "references lead nowhere"),
    "Could not fetch resource": ("picture is not part of the file", "pictures are not part of the file"),
    "Duplicate": ("name is used twice", "names are used twice"),
}
OTHER = ("place could not be converted as it was meant", "places could not be converted as they were meant")
_LOST = re.compile(r"^\[(LOST|RAW|LINK)\] (.*)$", re.M)
_WARNING = re.compile(r"^\[WARNING\] (.*(?:\n  .*)*)", re.M)


def convert(
    source: Path, format: str, to: str, name: str, options: dict[str, Any], folder: Path
) -> tuple[Path, list[str]]:
    """The new file, and a sentence for each kind of loss. Raises BadInput if pandoc cannot read the file."""
    readable = _readable(source, format, folder)
    warnings = look.losses(source, format, to)
    target = folder / f"converted.{to}"
    if to == "pdf":
        return target, [*warnings, *_pdf(readable, format, name, options, folder, target)]
    return target, [*warnings, *_pandoc(readable, format, to, name, options, folder, target)]


def _readable(source: Path, format: str, folder: Path) -> Path:
    """The file for pandoc: text converted to UTF-8, an archive checked for its unpacked size, text boxes as paragraphs."""
    if format in ARCHIVES:
        _measure(source)
    if format == "docx":
        word.readable(source, folder / "text.docx")
        return folder / "text.docx"
    if format == "rtf":
        rtf.readable(source, folder / "text.rtf", asides=False)
        return folder / "text.rtf"
    if format in ARCHIVES:
        return source
    with source.open("rb") as opened:
        encoding = detect.encoding_of(opened.read(1_000_000), source)
    copy = folder / "text"
    with (
        source.open(encoding=detect.codec(encoding), errors="replace") as read,
        copy.open("w", encoding="utf-8") as write,
    ):
        while some := read.read(1 << 20):
            write.write(some)
    if format == "html":
        copy.write_text(plain.closed(copy.read_text("utf-8")), "utf-8")
    return copy


def _measure(source: Path) -> None:
    """Refuse an archive that unpacks to too much. Its own sizes can be trusted: readers stop at the announced size."""
    with zipfile.ZipFile(source) as archive:
        parts = archive.infolist()
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        most = f"{MOST_UNPACKED // 1_000_000:,} MB or {MOST_PARTS:,} parts"
        raise BadInput(f"The document unpacks to more than {most}, which is the limit.", reason="too_large")


def _pandoc(
    source: Path, format: str, to: str, name: str, options: dict[str, Any], folder: Path, target: Path, *more: str
) -> list[str]:
    """Run pandoc. Returns a sentence for each kind of loss."""
    script = folder / "filter.lua"
    script.write_text(layout.FILTER)
    title = re.sub(r"\s+", " ", Path(name).stem) or "Untitled"
    command = [
        *(
            markup.pandoc(),
            "--sandbox",
            "--standalone",
            "--from",
            READERS.get(format, format),
            "--to",
            WRITERS.get(to, to),
        ),
        *(f"--lua-filter={script}", "--metadata", f"title_if_none={title}"),
        *(["--metadata=raw_is_text"] if format in NO_MARKUP else []),
        *(["--toc"] if options.get("toc") else []),
        *(["--number-sections"] if options.get("number_sections") else []),
        *(["--embed-resources", "--mathml"] if to == "html" else []),
        *([] if to in ("docx", "odt", "epub") else ["--wrap=preserve" if format == "md" else "--wrap=none"]),
        *(*more, "--output", str(target), str(source), "+RTS", "-M1g", "-RTS"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        cwd=folder,
        preexec_fn=tied_to_this_process(),  # this process has one thread
    )
    output = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        if done.returncode == markup.HEAP_OVERFLOW:
            raise MemoryError
        raise BadInput("The document cannot be read; it is damaged.", reason="broken")
    return _sentences(output, to)


def _sentences(output: str, to: str) -> list[str]:
    lost: dict[str, list[str]] = {"LOST": [], "RAW": [], "LINK": []}
    for kind, what in _LOST.findall(output):
        lost[kind].append(what[:80])
    sentences = []
    if pictures := lost["LOST"]:
        why = "text files have none" if to in ("md", "rst", "txt") else "not part of the file"
        sentences.append(f"{_many(len(pictures), 'picture was', 'pictures were')} left out ({why}): {_some(pictures)}.")
    if raw := lost["RAW"]:
        sentences.append(f"{_many(len(raw), 'piece', 'pieces')} of {_some(sorted(set(raw)))} code left out.")
    if links := lost["LINK"]:
        sentences.append(f"{_many(len(links), 'link', 'links')} without a target became plain text: {_some(links)}.")
    return [*sentences, *_other_losses(_WARNING.findall(output))][:MOST_WARNINGS]


def _other_losses(warnings: list[str]) -> Iterator[str]:
    """What pandoc warns of, in sentences of ours."""
    counts = Counter(next((start for start in WARNINGS if warning.startswith(start)), "") for warning in warnings)
    for start, count in counts.items():
        one, many = WARNINGS.get(start, OTHER)
        yield f"{_many(count, one, many)}."


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _pdf(source: Path, format: str, name: str, options: dict[str, Any], folder: Path, target: Path) -> list[str]:
    """Typeset as PDF; once more without pictures if one of them cannot be used."""
    try:
        return _set(source, format, name, options, folder, target)
    except BadInput as error:
        if error.reason != "not_set":
            raise
        warnings = _set(source, format, name, options, folder, target, "--metadata=no_pictures")
        return ["The pictures were left out, because one of them cannot be used in a PDF.", *warnings]


def _set(
    source: Path, format: str, name: str, options: dict[str, Any], folder: Path, target: Path, *more: str
) -> list[str]:
    import typst

    root = folder / "page"
    root.mkdir(exist_ok=True)
    template, text = folder / "page.template", root / "page.typ"
    template.write_text(layout.page(options))
    media = f"--extract-media={root.name}"
    warnings = _pandoc(
        source,
        format,
        "pdf",
        name,
        options,
        folder,
        text,
        f"--template={template}",
        media,
        "--syntax-highlighting=none",
        *more,
    )
    shown = text.read_text().replace(f'image("{root.name}/', 'image("')
    text.write_text(_with_fonts(shown))
    paths = fonts.folders() if fonts.needed(shown) else []
    try:
        made, _ = typst.compile_with_warnings(
            text,
            root=root,
            font_paths=paths,
            ignore_system_fonts=True,
            package_path=folder / "none",
            package_cache_path=folder / "none",
        )
    except (typst.TypstError, RuntimeError) as error:
        message = "Something in it cannot be set as a PDF. Convert it to HTML or DOCX and print that."
        raise BadInput(message, reason="not_set") from error
    target.write_bytes(made)
    return warnings + fonts.warning(shown)


def _with_fonts(page: str) -> str:
    """A page of typst with the font for its Chinese signs; for other letters typst finds one itself."""
    family = fonts.of_east_asia(page)
    return f'#set text(font: ("Libertinus Serif", "{family}"))\n{page}' if family else page
