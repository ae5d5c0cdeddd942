"""Batches in OpenAI's wire format: a batch is a job, and its files are read from the job's items."""

from __future__ import annotations

from jobs.engine.queue.batches.batch_files import MOST_LISTED, StoredFile, delete_file, find_file, list_files, read_file
from jobs.engine.queue.batches.provider import (
    batches_of,
    intend,
    is_due,
    labels,
    look_at,
    look_soon,
    made,
    money_left,
    rounds_over,
    unsettled_seconds,
    watch,
)
from jobs.engine.queue.batches.records import (
    KINDS,
    BatchView,
    cancel_batch,
    create_batch,
    expire_batches,
    find_batch,
    list_batches,
)

__all__ = [
    "KINDS",
    "MOST_LISTED",
    "BatchView",
    "StoredFile",
    "batches_of",
    "cancel_batch",
    "create_batch",
    "delete_file",
    "expire_batches",
    "find_batch",
    "find_file",
    "intend",
    "is_due",
    "labels",
    "list_batches",
    "list_files",
    "look_at",
    "look_soon",
    "made",
    "money_left",
    "read_file",
    "rounds_over",
    "unsettled_seconds",
    "watch",
]
