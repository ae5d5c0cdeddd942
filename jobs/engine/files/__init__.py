"""Stored files: uploads, outputs, samples, and the storage quota of an owner."""

from __future__ import annotations

from jobs.engine.files.inputs import Input, find_input, sample_path
from jobs.engine.files.lookup import describe_table, file, list_uploads, open_file, pdf_page, visible_file
from jobs.engine.files.quota import check_quota
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.uploads import upload

__all__ = [
    "Input",
    "blob_storage",
    "check_quota",
    "describe_table",
    "file",
    "find_input",
    "list_uploads",
    "open_file",
    "pdf_page",
    "sample_path",
    "upload",
    "visible_file",
]
