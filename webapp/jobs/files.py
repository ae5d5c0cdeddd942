"""Downloads: uploads and outputs by id, a job's items as a table, its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as BaseResponse
from werkzeug.wsgi import FileWrapper

from jobs.engine import files, logs, queue
from webapp.http.guards import current_owner
from webapp.results import grid
from webapp.ui import headers

blueprint = Blueprint("files", __name__)
CHUNK = 256 * 1024


@blueprint.get("/files/<file_id>")
def download(file_id: str) -> BaseResponse:
    """One file, whole or the range that was asked for. Never shown inside the site: always an attachment."""
    file = files.visible_file(file_id, current_owner())
    stream = files.open_file(file)
    response = attachment(ExportBody(stream, CHUNK), file.media_type, file.name)
    response.set_etag(file.sha256)
    response.content_length = file.bytes
    try:
        return response.make_conditional(request, accept_ranges=True, complete_length=file.bytes)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise


@blueprint.get("/jobs/<job_id>/items.<any(csv, jsonl, xlsx, parquet):format>")
def items(job_id: str, format: str) -> Response:
    """The items of a job as a table, with what is there by now; `?state=failed` for those only, `?row=3&row=5` for these."""
    job = queue.readable_job(job_id, current_owner())
    state = request.args.get("state")
    chosen = grid.places(request.args.getlist("row"))
    media_type, name, chunks = queue.export(
        job, format, state=state if state in grid.STATES else None, positions=chosen
    )
    response = attachment(chunks, media_type, name)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/jobs/<job_id>/log.txt")
def log(job_id: str) -> Response:
    """A job's whole log as text, oldest line first."""
    job = queue.readable_job(job_id, current_owner())
    return attachment(log_lines(job), "text/plain; charset=utf-8", f"{job.kind}-{str(job.id)[:8]}-log.txt")


class ExportBody(FileWrapper):
    """The body of a download. Closes the file at its end; the server closes it where the client leaves earlier."""

    def __next__(self) -> bytes:
        try:
            return super().__next__()
        except StopIteration:
            self.close()
            raise


def attachment(chunks: Iterable[bytes], media_type: str, name: str) -> Response:
    """Something to save, never to be shown inside the site."""
    response = Response(chunks, content_type=media_type, direct_passthrough=False)
    headers.name_file(response, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def log_lines(job: queue.JobView) -> Iterator[bytes]:
    """A job's whole log, a line at a time."""
    after = None
    while True:
        page = queue.read_log(job, after=after, limit=1000)
        for line in page.rows:
            yield f"{line.at.isoformat(timespec='milliseconds')}  {line.level:<7} {logs.escaped(line.text)}\n".encode()
        after = page.next
        if not after:
            return
