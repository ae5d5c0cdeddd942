"""The tables, one class each, by area."""

from __future__ import annotations

from jobs.engine.db.models.accounts import ROLES, SCOPES, Account, AuditEntry, Guest, Share, SignIn, Token, Tries
from jobs.engine.db.models.approvals import Approval
from jobs.engine.db.models.base import Base, new_id
from jobs.engine.db.models.batches import BatchJob, ProviderBatch
from jobs.engine.db.models.chat import Attachment, Conversation, Message
from jobs.engine.db.models.connections import SavedConnection
from jobs.engine.db.models.files import BlobPiece, File, SiteStorage, StorageUsed, Upload
from jobs.engine.db.models.jobs import (
    ENDED_STATES,
    ITEM_STATES,
    JOB_STATES,
    VERDICTS,
    Attempt,
    Counts,
    Item,
    Job,
    LogLine,
    Standing,
    Step,
)
from jobs.engine.db.models.mail import OutboxMessage, Suppression
from jobs.engine.db.models.money import Allowance, KeptAnswer, Spending
from jobs.engine.db.models.parts import JobHelper, Part
from jobs.engine.db.models.reviews import Decision, ThresholdChange
from jobs.engine.db.models.schedules import Notification, Schedule
from jobs.engine.db.models.workers import PausedQueue, QueueHour, WorkerProcess

__all__ = [
    "ENDED_STATES",
    "ITEM_STATES",
    "JOB_STATES",
    "Approval",
    "Attempt",
    "Base",
    "BatchJob",
    "Conversation",
    "Counts",
    "File",
    "Item",
    "Job",
]
__all__ += ["LogLine", "Message", "Notification", "OutboxMessage", "Schedule", "Step", "Suppression", "WorkerProcess"]
__all__ += ["ROLES", "SCOPES", "Account", "AuditEntry", "Guest", "Share", "SignIn", "Token", "Tries"]
__all__ += ["Allowance", "Attachment", "KeptAnswer", "PausedQueue", "SavedConnection", "SiteStorage", "Spending"]
__all__ += ["VERDICTS", "BlobPiece", "Decision", "JobHelper", "Part", "ProviderBatch", "Standing", "StorageUsed"]
__all__ += ["QueueHour", "ThresholdChange", "Upload", "new_id"]
