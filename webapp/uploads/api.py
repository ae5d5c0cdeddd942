"""Uploads that can be resumed where they were cut: the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload).

The extensions creation, creation-with-upload, termination and expiration. An upload that is whole is a file with the same id.
"""

import binascii
import re
from base64 import b64decode
from typing import Annotated, ClassVar, Self
from uuid import UUID

from flask import Blueprint, Response, abort, request
from pydantic import Field
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.http import http_date

from jobs.engine import files, settings
from webapp.api.operation import Content, operation
from webapp.api.parameters import Parameter
from webapp.api.records import Located, Moment, Whole
from webapp.http import parsing
from webapp.http.guards import UPLOAD_TYPE, current_owner
from webapp.jobs.records import FileRecord

VERSION = "1.0.0"
BYTES = {"contentMediaType": "application/octet-stream", "type": "string", "format": "binary"}  # format: for generators
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
NAMES = ("filename", "name")  # in Upload-Metadata; clients differ
OTHER_VERSION = f"This server speaks version {VERSION} of the tus protocol."

TUS = Parameter(
    "Tus-Resumable",
    f"The version of the tus protocol, {VERSION}.",
    {"type": "string", "enum": [VERSION]},  # with a const, generators of clients leave out the operation
    place="header",
    required=False,
)
LENGTH = Parameter(
    "Upload-Length",
    "The bytes that the file will have.",
    {"type": "integer", "minimum": 1},
    place="header",
    required=True,
)
METADATA = Parameter(
    "Upload-Metadata",
    "The file's name: the word `filename`, a space, and the name in base64.",
    {"type": "string", "pattern": r"^[ -~]{0,4000}$"},
    place="header",
)
OFFSET = Parameter(
    "Upload-Offset",
    "The bytes that are stored already.",
    {"type": "integer", "minimum": 0},
    place="header",
    required=True,
)

blueprint = Blueprint("uploads", __name__, url_prefix="/api/v1/uploads")


class UploadRecord(Located):
    """An upload that comes in pieces."""

    ADDRESS: ClassVar[str] = "/api/v1/uploads/{row.id}"

    id: UUID
    length: Annotated[Whole, Field(description="The bytes that the file will have.")]
    offset: Annotated[Whole, Field(description="The bytes that are stored.")]
    expires_at: Annotated[Moment | None, Field(description="When it is deleted, unless it is whole by then.")]
    file: Annotated[FileRecord | None, Field(description="The file, once the upload is whole. It has the same id.")]

    @classmethod
    def of(cls, row: files.UploadProgress, **more: object) -> Self:
        return super().of(row, file=FileRecord.of(row.file) if row.file else None, **more)


@blueprint.before_request
def check_version() -> Response | None:
    """A client of another version is told ours."""
    if request.headers.get(TUS.name, VERSION) == VERSION or request.method == "OPTIONS":
        return None
    abort(412, OTHER_VERSION)


@blueprint.after_request
def add_headers(response: Response) -> Response:
    """What every answer of the protocol has."""
    response.headers["Tus-Resumable"] = VERSION
    response.headers["Cache-Control"] = "no-store"
    if request.method == "OPTIONS" or response.status_code == 412:
        response.headers["Tus-Version"] = VERSION
        response.headers["Tus-Extension"] = EXTENSIONS
        response.headers["Tus-Max-Size"] = str(settings.current().max_upload_bytes)
    return response


@blueprint.post("")
@operation(
    "Begin an upload that can be resumed",
    "The upload is begun. Send its bytes to `Location`.",
    UploadRecord,
    status=201,
    parameters=(LENGTH, METADATA, TUS),
    problems=(408, 409, 412, 422, 429),
)
def begin_upload() -> Response:
    """The first bytes may be the body of this request already (creation-with-upload)."""
    name = _name(request.headers.get(METADATA.name, ""))
    upload = files.begin_upload(name, _number(LENGTH), owner=current_owner())
    with_bytes = request.mimetype == UPLOAD_TYPE
    if with_bytes:
        files.append_to_upload(str(upload.id), 0, request.stream.read, owner=current_owner())
    found = files.upload_progress(str(upload.id), current_owner())
    response = _answer(found, 201)
    response.headers["Location"] = UploadRecord.of(found).url
    return response


@blueprint.get("/<upload_id>")
@operation("Show how far an upload has come", "The upload.", UploadRecord, parameters=(TUS,), problems=(412,))
def show_upload(upload_id: str) -> Response:
    """HEAD answers with the headers that the protocol asks for."""
    return _answer(files.upload_progress(upload_id, current_owner()), 200)


@blueprint.patch("/<upload_id>")
@operation(
    "Send the next bytes of an upload",
    "The bytes are stored. `Upload-Offset` says how many there are now.",
    body=Content(UPLOAD_TYPE, BYTES),
    parameters=(OFFSET, TUS),
    problems=(409, 412, 429),
)
def append_to_upload(upload_id: str) -> Response:
    """If the body is cut off, what came of it is kept."""
    files.find_upload(upload_id, current_owner())  # or 404, whatever is wrong with the request
    if request.mimetype != UPLOAD_TYPE:
        raise UnsupportedMediaType(f"Send the bytes as {UPLOAD_TYPE}.")
    offset = _number(OFFSET)
    found = files.append_to_upload(upload_id, offset, request.stream.read, owner=current_owner())
    return _answer(found, 204)


@blueprint.delete("/<upload_id>")
@operation("Delete an upload that is not whole", "The upload is deleted.", parameters=(TUS,), problems=(412,))
def delete_upload(upload_id: str) -> None:
    files.abandon_upload(upload_id, owner=current_owner())


def _answer(found: files.UploadProgress, status: int) -> Response:
    body = UploadRecord.of(found).model_dump_json() if status != 204 else None
    response = Response(body, status, content_type="application/json")
    response.headers["Upload-Offset"] = str(found.offset)
    response.headers["Upload-Length"] = str(found.length)
    if found.expires_at and not found.file:
        response.headers["Upload-Expires"] = http_date(found.expires_at)
    return response


def _number(header: Parameter) -> int:
    text = request.headers.get(header.name, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise parsing.invalid(header.name, f"{header.name} must be a whole number of bytes.")
    return int(text)


def _name(metadata: str) -> str:
    """The file's name in Upload-Metadata; `file` where there is none."""
    pairs = [pair.strip().partition(" ") for pair in metadata.split(",")]
    coded = next((coded for word in NAMES for name, _, coded in pairs if name == word), "")
    try:
        name = b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise parsing.invalid(METADATA.name, "The name in Upload-Metadata must be UTF-8 in base64.") from None
    return parsing.printable(name, 255) or "file"
