"""/v1/files: uploads, and the output and errors of batches. Nothing is read of what is uploaded but to store it."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from flask import Response, jsonify, request
from werkzeug.exceptions import UnsupportedMediaType

from jobs.engine import files, queue
from jobs.engine.queue.batches import MOST_LISTED, StoredFile
from webapp.http import parsing
from webapp.http.identity import current_owner
from webapp.openai_api.wire import blueprint

PREFIX = "file-"
PURPOSES = ("batch", "user_data")
LISTED = (*PURPOSES, "batch_output")


@blueprint.post("/files")
def upload_file() -> Response:
    """As in OpenAI's, the body is multipart/form-data with `file` and `purpose`."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as the field file of a multipart/form-data body.")
    sent, purpose = request.files.getlist("file"), request.form.get("purpose", "")
    if purpose not in PURPOSES:
        raise parsing.invalid("purpose", f"purpose must be {' or '.join(PURPOSES)}.")
    if len(sent) != 1:
        raise parsing.invalid("file", "Send exactly one file, in the field file.")
    name = parsing.printable(sent[0].filename or "", 240) or "file"
    if purpose == "batch" and not name.lower().endswith(".jsonl"):
        name += ".jsonl"  # it is read as JSON Lines, whatever it is called
    stored = files.upload(cast(BinaryIO, sent[0].stream), name, owner=current_owner())
    return jsonify(_record(queue.batches.find_file(str(stored.id), current_owner())))


@blueprint.get("/files")
def list_files() -> Response:
    limit = parsing.whole_number("limit", MOST_LISTED, 1, 10_000)
    purpose = request.args.get("purpose", "")
    if purpose and purpose not in LISTED:
        raise parsing.invalid("purpose", f"purpose must be one of {', '.join(LISTED)}.")
    after = request.args.get("after", "").removeprefix(PREFIX) or None
    found, more = queue.batches.list_files(current_owner(), purpose=purpose, after=after, limit=min(limit, MOST_LISTED))
    return jsonify(listed([_record(one) for one in found], more))


@blueprint.get("/files/<file_id>")
def show_file(file_id: str) -> Response:
    return jsonify(_record(queue.batches.find_file(own_id(file_id), current_owner())))


@blueprint.get("/files/<file_id>/content")
def file_content(file_id: str) -> Response:
    found = queue.batches.find_file(own_id(file_id), current_owner())
    response = Response(queue.batches.read_file(found), content_type="application/octet-stream")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = "attachment"
    return response


@blueprint.delete("/files/<file_id>")
def delete_file(file_id: str) -> Response:
    queue.batches.delete_file(own_id(file_id), current_owner())
    return jsonify(id=file_id, object="file", deleted=True)


def own_id(file_id: str) -> str:
    """An id as it is stored, of one as it is shown."""
    return file_id.removeprefix(PREFIX)


def listed(records: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A page of a list as OpenAI writes it."""
    first, last = (records[0]["id"], records[-1]["id"]) if records else (None, None)
    return {"object": "list", "data": records, "first_id": first, "last_id": last, "has_more": more}


def _record(found: StoredFile) -> dict[str, Any]:
    return {
        "id": f"{PREFIX}{found.id}",
        "object": "file",
        "bytes": found.bytes,
        "created_at": int(found.created_at.timestamp()),
        "expires_at": None,
        "filename": found.name,
        "purpose": found.purpose,
        "status": "processed",
        "status_details": None,
    }
