"""Read files into the library.

Documents, workbooks, mail, web pages and pictures become searchable text. A file's type is detected from its contents; each
file in a ZIP archive is an item of its own. A file that cannot be read is listed with the reason; the others continue.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jobs.engine import files as engine_files
from jobs.engine import library, queue, settings
from jobs.engine.db.models import File
from jobs.engine.files import blob_storage
from jobs.engine.formats import extraction
from jobs.engine.formats.extraction import recognition
from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    FileRef,
    Find,
    Input,
    ItemColumn,
    KindParams,
    KindResult,
    QuotaExceeded,
    Recipe,
    figure,
    param,
)

TITLE = "Process files"
GROUP = "Files and documents"
WORDS = "pdf, word, excel, powerpoint, scan, ocr, text, archive, zip, read, extract, documents"
QUEUE = "cpu"
NEEDS = ("pypdfium2", "pypandoc", "openpyxl", "python_calamine", "olefile", "PIL", "pi_heif", "py3langid")
NOUN = ("file", "files")
SPREAD = True
RESULT_TEMPLATE = "library/_processed.html"

AT_ONCE = 2
SECONDS_EACH = 1.0


class Params(KindParams):
    files: list[FileRef] = param(
        "Files",
        "PDF, Word, PowerPoint, Excel, OpenDocument, RTF, EPUB, HTML, mails (EML, MSG), notebooks, XML, pictures, text, or a ZIP "
        "archive of these; DOC and PPT where LibreOffice is installed.",
        min_length=1,
        max_length=1_000,
    )
    collection: str = param(
        "Collection",
        "For the documents. A new name makes a new collection.",
        default="library",
        min_length=1,
        max_length=100,
    )
    duplicates: Literal["skip", "keep"] = param(
        "If a file exists already",
        "With the same bytes, in the same collection.",
        default="skip",
        words={"skip": "Skip it", "keep": "Keep both"},
    )
    ocr: bool = param(
        "Recognise text in pictures",
        "For scanned pages and photos, in English and other languages of Western Europe, Chinese and Japanese. It takes about ten "
        "seconds of the processor for each page.",
        default=False,
        advanced=True,
    )


COLUMNS = (
    ItemColumn("file", "File", "name", role="yours"),
    ItemColumn("title", "Title", "text"),
    ItemColumn(
        "status", "Outcome", "tag", words={"read": "Read", "scanned": "Scanned", "no text": "No text"}, facet=True
    ),
    ItemColumn("type", "Type", "media_type", facet=True),
    ItemColumn("pages", "Pages", "number"),
    ItemColumn("words", "Words", "number"),
    ItemColumn("language", "Language", "language", facet=True),
    ItemColumn("note", "Remark", "text"),
    ItemColumn("document", "In the library", "document"),
    ItemColumn("sha256", type="hidden"),
    ItemColumn("thumbnail", type="hidden"),
    ItemColumn("from", "From", "word", role="yours", shown="asked"),
)


class Result(KindResult):
    collection: str = figure("Collection", shown="never")
    added: int = figure("Added", type="number", shown="never")
    duplicates: int = figure("Duplicates", type="number", shown="if_any")
    without_text: int = figure("Without text", type="number", shown="if_any")
    types: dict[str, int] = figure("Types", type="counts")
    languages: dict[str, int] = figure("Languages", type="counts")


EXAMPLE = {
    "files": ["sample:shop-handbook.md", "sample:returns.html", "sample:price-list.pdf", "sample:letters.zip"],
    "collection": "samples",
}

RECIPES = (Recipe("Ask my documents", EXAMPLE),)


@dataclass(frozen=True)
class ArchiveEntry:
    """One file to read: an upload, or a member of an uploaded archive. `error`: why the archive cannot be opened."""

    key: str
    ref: str
    name: str
    path: str = ""  # in the archive, for display
    index: int | None = None
    error: BadInput | None = None


def check(params: Params, find: Find) -> list[FieldError]:
    errors = []
    for place, ref in enumerate(params.files):
        try:
            find(ref)
        except BadInput as error:
            errors.append(FieldError(f"files.{place}", error.message))
    if not params.collection.strip():
        errors.append(FieldError("collection", "Write the name of a collection."))
    if params.ocr and not recognition.available():
        errors.append(FieldError("ocr", recognition.MISSING))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    count = sum(len(_entries(find(ref))) for ref in params.files)
    return Estimate(items=count, seconds=round(1 + count * SECONDS_EACH / AT_ONCE, 1))


def label(params: Params, find: Find) -> str:
    first = find(params.files[0]).name
    return first if len(params.files) == 1 else f"{first} and {len(params.files) - 1:,} more"


def run(params: Params, context: Context) -> dict[str, Any]:
    owner, collection = context.job.owner, params.collection.strip()
    entries = [entry for ref in dict.fromkeys(params.files) for entry in _entries(context.open(ref))]

    def read(entry: ArchiveEntry) -> dict[str, Any]:
        if entry.error is not None:
            raise entry.error
        source = f"{context.job.job_id}:{entry.key}"
        with _opened(entry, context) as (path, file_id):
            sha256 = _sha256(path)
            if params.duplicates == "skip":
                library.refuse_same(owner, collection, sha256, source)
            found = extraction.extract(path, entry.name, ocr=params.ocr)
            document = _document(entry, found, path.stat().st_size, sha256)
            document.collection, document.source, document.file_id = collection, source, file_id
            file = None if entry.index is None else _kept(owner, path, entry, found.media_type)
        try:
            number = library.add(owner, document, duplicates=params.duplicates == "keep", file=file)
        except (QuotaExceeded, library.Duplicate):
            if file is not None:
                blob_storage().delete(file.blob)
            raise
        return _shown(document, found) | {"document": str(number)}

    with extraction.reading(len(entries), ocr=params.ocr):
        counts = context.map(read, entries, key=lambda entry: entry.key, row=_row, concurrency=AT_ONCE)
    status = queue.count_by_value(context.job.job_id, "status")
    return {
        "collection": collection,
        "added": counts.done,
        "duplicates": counts.skipped,
        "failed": counts.failed,
        "without_text": counts.done - status.get("read", 0),
        "types": queue.count_by_value(context.job.job_id, "type"),
        "languages": queue.count_by_value(context.job.job_id, "language"),
    }


def _entries(source: Input) -> list[ArchiveEntry]:
    """The upload itself, or its members if it is an archive."""
    try:
        with source.path() as path:
            if extraction.is_archive(path):
                return [
                    ArchiveEntry(
                        f"{source.ref}/{one.index}", source.ref, one.name, f"{source.name}: {one.path}", one.index
                    )
                    for one in extraction.members(path)
                ]
    except BadInput as error:
        return [ArchiveEntry(source.ref, source.ref, source.name, error=error)]
    return [ArchiveEntry(source.ref, source.ref, source.name)]


def _row(entry: ArchiveEntry) -> dict[str, Any]:
    return {"file": entry.name} | ({"from": entry.path} if entry.path else {})


@contextmanager
def _opened(entry: ArchiveEntry, context: Context) -> Iterator[tuple[Path, Any]]:
    """The path of the file, and its id if it is an upload."""
    source = context.open(entry.ref)
    with source.path() as path:
        if entry.index is None:
            yield path, (None if source.blob is None else source.ref)
            return
        with tempfile.NamedTemporaryFile(prefix="legwork-member-") as target:
            extraction.unpack(path, entry.index, target, settings.current().max_upload_bytes)  # type: ignore[arg-type]
            target.flush()
            yield Path(target.name), None


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _document(entry: ArchiveEntry, found: extraction.Extracted, size: int, sha256: str) -> library.Document:
    note = {"note": found.note} if found.note else {}
    return library.Document(
        title=found.title or entry.name,
        name=entry.name,
        media_type=found.media_type,
        language=extraction.language(found.text),
        pages=found.pages,
        words=len(found.text.split()),
        bytes=size,
        sha256=sha256,
        text=found.text,
        thumbnail=base64.b64decode(found.thumbnail) or None,
        meta=found.meta | note | ({"path": entry.path} if entry.path else {}),
    )


def _kept(owner: str, path: Path, entry: ArchiveEntry, media_type: str) -> File:
    """A File for a member of an archive. Its row is written together with the document's."""
    engine_files.check_quota(owner, path.stat().st_size)
    with path.open("rb") as opened:
        blob = blob_storage().put(opened, limit=None)
    return File(
        owner=owner, name=entry.name, media_type=media_type, bytes=blob.bytes, sha256=blob.sha256, blob=blob.key
    )


def _shown(document: library.Document, found: extraction.Extracted) -> dict[str, Any]:
    status = "read" if document.words else "scanned" if found.media_type == "application/pdf" else "no text"
    shown: dict[str, Any] = {
        "status": status,
        "title": document.title,
        "type": found.media_type,
        "pages": document.pages,
        "words": document.words,
        "language": document.language,
        "sha256": document.sha256,
        "thumbnail": bool(document.thumbnail),
        "note": found.note or None,
    }
    return {name: value for name, value in shown.items() if value is not None}
