"""Documents and passages as the API shows them."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BeforeValidator, Field

from webapp.api.records import Located, Moment, Next, Record, Whole


def _file_address(file_id: UUID | None) -> str | None:
    return f"/api/v1/files/{file_id}" if file_id else None


class DocumentRow(Located):
    """A document without its text."""

    ADDRESS: ClassVar[str] = "/api/v1/documents/{row.id}"

    id: UUID
    collection: str
    title: str
    name: str
    media_type: str
    language: str | None
    pages: Whole | None
    words: Whole
    bytes: Whole
    sha256: str
    tags: list[str]
    meta: dict[str, Any]
    file: Annotated[
        str | None,
        BeforeValidator(_file_address),
        Field(validation_alias="file_id", description="The address of the file that it was read from."),
    ]
    created_at: Moment
    updated_at: Moment


class DocumentRecord(DocumentRow):
    """A document with its text."""

    text: str


class Documents(Record):
    """A page of documents."""

    documents: list[DocumentRow]
    next: Next


class _FoundPassage(Located):
    ADDRESS: ClassVar[str] = "/api/v1/documents/{row.document_id}"

    document: Annotated[UUID, Field(validation_alias="document_id")]
    title: str
    collection: str
    position: Whole
    text: str
    score: float


class PassageRecord(_FoundPassage):
    """A part of a document that answers a question. The best score is about 3, `position` counts from 0."""

    headings: str


class Passages(Record):
    """The passages that answer best."""

    passages: list[PassageRecord]
    next: Next


class SimilarDocumentRecord(_FoundPassage):
    """A document like another: `text` is its passage that is most like one of the other, `score` is from 0 to 1."""


class SimilarDocuments(Record):
    """The documents most like another."""

    documents: list[SimilarDocumentRecord]
    next: Next
