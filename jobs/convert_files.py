"""Convert files to another format.

Documents: Markdown, Word, HTML and more to each other and to PDF. Tables: CSV, Excel, JSON and Parquet to each other, to HTML,
Markdown and PDF. Presentations: to PDF, pictures and text. PDFs: to text, Markdown, Word and a picture of each page. Pictures: to
each other and to PDF. For each file, the job lists what the new format does not support.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from jobs.engine import queue
from jobs.engine.file_names import safe_name, unique_name
from jobs.engine.files import blob_storage
from jobs.engine.formats import columns, extraction
from jobs.engine.kits import conversion
from jobs.engine.kits.conversion import item_files
from jobs.engine.kits.conversion import options as conversion_options
from jobs.engine.sdk import (
    BadInput,
    ColumnParams,
    Context,
    Estimate,
    FieldError,
    FileRef,
    Find,
    Input,
    ItemColumn,
    KindResult,
    Recipe,
    figure,
    param,
)

TITLE = "Convert files"
GROUP = "Files and documents"
WORDS = "pdf, docx, word, excel, csv, png, jpeg, image, picture, markdown, epub, format, resize"
QUEUE = "cpu"
NEEDS = (
    "pypandoc",
    "typst",
    "vl_convert",
    "manimgx_fonts",
    "manimgx_fonts_cjk",
    "PIL",
    "duckdb",
    "openpyxl",
    "pi_heif",
    "pypdfium2",
    "xlsxwriter",
)
NOUN = ("file", "files")
SPREAD = True

SECONDS_A_FILE = 1.0
LOOKED_AT = 200  # files whose format is checked before the job is accepted
NAMED = 5
PACKED = (
    ".md",
    ".html",
    ".rst",
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".bmp",
)  # the other formats are compressed already
MOST_UNPACKED = 500_000_000  # bytes of one file in an archive
CHUNK = 1 << 20


# fmt: off
Target = Literal[
    "pdf", "docx", "md", "html", "odt", "epub", "rst", "txt",
    "csv", "tsv", "json", "jsonl", "xlsx", "parquet",
    "png", "jpeg", "webp", "avif", "gif", "bmp", "tiff",
]
# fmt: on
FORMAT_WORDS = {name: name.upper() for name in (*get_args(Target), *conversion.FORMATS)} | {
    "md": "Markdown",
    "html": "Web page",
    "txt": "Text",
    "xlsx": "Excel table",
    "docx": "Word document",
    "parquet": "Parquet table",
    "jpeg": "JPEG",
    "webp": "WebP",
}


class Params(ColumnParams):
    files: list[FileRef] = param(
        "Files",
        "Documents, presentations, tables or pictures, or ZIP files of them. Their format is detected from their contents.",
        max_length=1_000,
    )
    to: Target = param(
        "New format",
        "Documents become documents, tables become tables or documents, and pictures become pictures or PDF.",
        words=FORMAT_WORDS,
    )
    options: dict[str, Any] = param(
        "Options",
        "Of the new format.",
        default={},
        shapes=("to", conversion_options.OPTIONS),
        advanced=True,
    )
    concurrency: int = param("Files at a time", default=2, ge=1, le=16, unit="files", advanced=True)


COLUMNS = (
    ItemColumn("file", "File", "name", role="yours"),
    ItemColumn("output", "Became", "word"),
    ItemColumn("file_id", "Download", "file"),
    ItemColumn("output_bytes", "Size", "bytes"),
    ItemColumn("rows", "Rows", "number"),
    ItemColumn("warnings", "Remarks", "text"),
    ItemColumn("was", "Was", "tag", words=FORMAT_WORDS, facet=True),
    ItemColumn("bytes", "Size before", "bytes", role="yours"),
)


class Result(KindResult):
    files: int = figure("Files", type="number", shown="never")
    with_warnings: int = figure("With remarks", type="number", shown="if_any")
    to: str = figure("To", type="tag", words=FORMAT_WORDS)
    bytes: int = figure("Size", type="bytes")


EXAMPLE = {"files": ["sample:handbook.md", "sample:notice.html", "sample:lighthouse.png"], "to": "pdf"}

RECIPES = (
    Recipe("Turn a document into a PDF", {"files": ["sample:handbook.md"], "to": "pdf", "options": {"toc": True}}),
)


@dataclass(frozen=True)
class SourceFile:
    """One file to convert, and the name of its output. `index`: its place in the ZIP file `ref`."""

    ref: str
    name: str
    bytes: int | None
    target: str
    index: int | None = None


def check(params: Params, find: Find) -> list[FieldError]:
    errors = conversion_options.errors(params.to, params.options)
    if not params.files:
        return [FieldError("files", "Choose at least one file."), *errors]
    refusals = [sentence for ref in params.files[:LOOKED_AT] if (sentence := _refusal(ref, params, find))]
    more = f" {len(refusals) - NAMED:,} more files cannot be converted either." if len(refusals) > NAMED else ""
    if len(refusals) == len(params.files[:LOOKED_AT]):
        errors.append(FieldError("files", " ".join(refusals[:NAMED]) + more))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    if any(find(ref).name.lower().endswith(".zip") for ref in params.files[:LOOKED_AT]):
        return Estimate()
    seconds = len(params.files) * SECONDS_A_FILE / min(params.concurrency, len(params.files) or 1)
    refused = [sentence for ref in params.files[:LOOKED_AT] if (sentence := _refusal(ref, params, find))]
    left_out = (
        [f"{len(refused)} of {len(params.files)} files will be listed as failed. {refused[0]}"] if refused else []
    )
    return Estimate(items=len(params.files), seconds=round(seconds, 1), notes=(*left_out, *_guesses(params, find)))


def choices(given: Mapping[str, Any], find: Find) -> dict[str, list[str]]:
    """The formats that one of the chosen files can become."""
    formats: set[str] = set()
    for ref in given.get("files", ())[:LOOKED_AT]:
        with suppress(BadInput):
            source = find(str(ref))
            with source.path() as path:
                formats.add(conversion.format_of(path, source.name))
    if "zip" in formats:
        return {}
    return {"to": [to for to in get_args(Target) if any(not conversion.refusal(one, "", to) for one in formats)]}


def label(params: Params, find: Find) -> str:
    first = find(params.files[0]).name if len(params.files) == 1 else f"{len(params.files):,} files"
    return f"{first} to {params.to}"


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    item_files.adopt(context.job)
    sources = list(_sources(params, context))
    filled = conversion_options.filled(params.to, params.options)
    with conversion.converting(len(sources)):
        counts = context.map(
            lambda source: _convert(source, params, filled, context),
            sources,
            row=lambda source: {"file": source.name, "bytes": source.bytes},
            concurrency=params.concurrency,
        )
    if counts.done > 1:
        context.progress(note="Packing the files into one")
        _pack(params.to, context)
    warned = queue.count_by_value(context.job.job_id, "warnings")
    return {
        "files": counts.done,
        "with_warnings": sum(warned.values()),
        "to": params.to,
        "bytes": sum(file.bytes for file in item_files.made(context.job)),
        "seconds": round(time.monotonic() - began, 1),
    }


def _guesses(params: Params, find: Find) -> Iterator[str]:
    """How the first tables are read, where their columns are converted and that is not the only way."""
    if conversion_options.filled(params.to, params.options).get("types") != "numbers":
        return
    for ref in params.files[:NAMED]:
        with suppress(BadInput):
            table = find(ref).table(params.reading)
            if table.format in ("csv", "tsv"):
                yield from columns.first_guesses(table.columns, table.first, params.column_choices, table.delimiter)


def _refusal(ref: str, params: Params, find: Find) -> str | None:
    """Why this file cannot be converted, as a sentence; None if it can."""
    try:
        source = find(ref)
        with source.path() as path:
            format = conversion.format_of(path, source.name)
            return None if format == "zip" else conversion.refusal(format, source.name, params.to)
    except BadInput as error:
        return error.message


def _sources(params: Params, context: Context) -> Iterator[SourceFile]:
    """Each file, including those in ZIP files, with a unique name for its output."""
    taken: set[str] = set()
    for ref in params.files:
        try:
            found = list(_inside(context.open(ref)))
        except BadInput:
            found = [("a file that no longer exists", None, None)]  # its item fails with this error
        for name, size, index in found:
            yield SourceFile(ref, name, size, _target(name, params.to, taken), index)


def _inside(file: Input) -> Iterator[tuple[str, int | None, int | None]]:
    """Name, bytes and index: of the file itself, or of each member if it is an archive that can be opened."""
    try:
        with file.path() as path:
            members = extraction.members(path) if conversion.format_of(path, file.name) == "zip" else None
    except BadInput:
        members = None
    if members is None:
        yield file.name, file.bytes, None
    else:
        yield from ((member.name, None, member.index) for member in members)


def _target(name: str, to: str, taken: set[str]) -> str:
    return unique_name(safe_name(f"{name.rsplit('.', 1)[0] or 'file'}{conversion.ending(to)}"), taken)


def _convert(source: SourceFile, params: Params, filled: dict[str, Any], context: Context) -> dict[str, Any]:
    with _unpacked(source, context) as path, _folder() as folder:
        made = conversion.convert(
            *(path, source.name, params.to, filled, folder),
            reading=params.reading,
            choices=params.column_choices,
            check=context.check,
        )
        size = made.path.stat().st_size
        is_packed = made.path.suffix == ".zip"
        output = f"{source.target.rpartition('.')[0]}.zip" if is_packed else source.target
        file_id = context.save(output, made.path, conversion.media_type("zip" if is_packed else params.to))
    warnings = {"warnings": " ".join(made.warnings)} if made.warnings else {}
    rows = {} if made.rows is None else {"rows": made.rows}
    return {
        "was": made.format,
        "output": output,
        "output_bytes": size,
        **rows,
        **warnings,
        "file_id": str(file_id),
    }


@contextmanager
def _unpacked(source: SourceFile, context: Context) -> Iterator[Path]:
    with context.open(source.ref).path() as path:
        if source.index is None:
            yield path
            return
        with tempfile.NamedTemporaryFile(prefix="legwork-unpacked-") as copy:
            extraction.unpack(path, source.index, copy, MOST_UNPACKED)  # type: ignore[arg-type]
            copy.flush()
            yield Path(copy.name)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="legwork-convert-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _pack(to: str, context: Context) -> None:
    """Save all outputs as one archive, in constant memory."""
    packing = zipfile.ZIP_DEFLATED if conversion.ending(to) in PACKED else zipfile.ZIP_STORED
    with _folder() as folder:
        target = folder / "files.zip"
        with zipfile.ZipFile(target, "w", packing) as archive:
            for file in item_files.made(context.job):
                with blob_storage().open(file.blob) as read, archive.open(file.name, "w", force_zip64=True) as write:
                    while chunk := read.read(CHUNK):
                        context.check()
                        write.write(chunk)
        context.save(f"{to} files.zip", target, conversion.media_type("zip"))
