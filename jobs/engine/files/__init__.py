"""Stored files: uploads, outputs, samples, and the storage quota of an owner."""

from __future__ import annotations

from jobs.engine.files.inputs import Input, find_input, sample_path
from jobs.engine.files.job_rows import PREFIX as JOB_ROWS
from jobs.engine.files.lookup import describe_table, file, list_uploads, open_file, pdf_page, table_rows, visible_file
from jobs.engine.files.quota import check_quota
from jobs.engine.files.resumable import UploadProgress
from jobs.engine.files.resumable import abandon as abandon_upload
from jobs.engine.files.resumable import append as append_to_upload
from jobs.engine.files.resumable import begin as begin_upload
from jobs.engine.files.resumable import find as find_upload
from jobs.engine.files.resumable import progress as upload_progress
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.uploads import upload

__all__ = [
    "JOB_ROWS",
    "Input",
    "UploadProgress",
    "abandon_upload",
    "append_to_upload",
    "begin_upload",
    "blob_storage",
    "check_quota",
    "describe_table",
    "file",
    "find_input",
    "find_upload",
    "list_uploads",
    "open_file",
    "pdf_page",
    "sample_path",
    "table_rows",
    "upload",
    "upload_progress",
    "visible_file",
]
