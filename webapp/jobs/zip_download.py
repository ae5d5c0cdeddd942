"""A job as one zip: its files, its items as CSV, its log. Streamed, so that it needs no memory and no disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator

from flask import Blueprint, Response

from jobs.engine import files as engine_files
from jobs.engine import queue
from jobs.engine.db import models
from jobs.engine.file_names import safe_name, unique_name
from webapp.http.guards import current_owner
from webapp.jobs import files

blueprint = Blueprint("bundles", __name__)
PACKED = ("image/", "video/", "audio/", "application/zip", "application/vnd.openxmlformats")  # nothing to gain


@blueprint.get("/jobs/<job_id>/all.zip")
def download(job_id: str) -> Response:
    job = queue.readable_job(job_id, current_owner())
    return files.attachment(_zipped(_parts(job)), "application/zip", f"{job.label or job.kind} {str(job.id)[:8]}.zip")


def _parts(job: queue.JobView) -> Iterator[tuple[str, str, Iterable[bytes]]]:
    """Name, media type and bytes of each part; a name that comes twice gets a number."""
    taken: set[str] = set()
    for file in queue.output_files(job):
        yield unique_name(safe_name(file.name), taken), file.media_type, _chunks(file)
    if job.finished:
        media_type, _, chunks = queue.export(job, "csv")
        yield unique_name("items.csv", taken), media_type, chunks
    yield unique_name("log.txt", taken), "text/plain", files.log_lines(job)


def _chunks(file: models.File) -> Iterator[bytes]:
    with engine_files.open_file(file) as stream:
        while chunk := stream.read(files.CHUNK):
            yield chunk


class _Pipe:
    """A stream for zipfile to write to. It has no seek, so sizes are written after the data."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def take(self) -> bytes:
        taken, self._waiting = b"".join(self._waiting), []
        return taken


def _zipped(parts: Iterable[tuple[str, str, Iterable[bytes]]]) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:  # type: ignore[call-overload]
        for name, media_type, chunks in parts:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_STORED if media_type.startswith(PACKED) else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as opened:
                for chunk in chunks:
                    opened.write(chunk)
                    if ready := pipe.take():
                        yield ready
    yield pipe.take()
