"""Jobs: submitting, reading and changing them, their messages, schedules and notifications."""

from __future__ import annotations

from jobs.engine.db.job_view import JobView
from jobs.engine.queue.approvals import approvals_of
from jobs.engine.queue.commands import (
    MOST_AHEAD,
    MOST_SAMPLE,
    answer_approval,
    cancel,
    create_schedule,
    delete,
    has_lost_secret,
    pin,
    retry,
    retry_rows,
    run_schedule,
    stop_many,
    stop_matching,
    submit,
)
from jobs.engine.queue.cron import checked_cron, upcoming_runs
from jobs.engine.queue.delivery import QueueMessage
from jobs.engine.queue.item_grid import (
    GridPage,
    GridQuery,
    column_values,
    grid_page,
    item_at,
    neighbours,
    sample,
    value_counts,
)
from jobs.engine.queue.item_stats import count_by_value, example_items, places, written_in_try
from jobs.engine.queue.job_log import log_count, read_log
from jobs.engine.queue.limits import usage
from jobs.engine.queue.lists import SEARCHED, SHOWN_STATES, job_counts, list_jobs, working_count
from jobs.engine.queue.notifications import NotificationTarget, checked_notifications, notifications_of, webhook_secret
from jobs.engine.queue.polling import job_status, readable_job
from jobs.engine.queue.queries import (
    attempts,
    export,
    finished_keys,
    item,
    item_columns,
    item_rows,
    items,
    job,
    output_files,
    served_queues,
)
from jobs.engine.queue.schedules import (
    SchedulePlan,
    change_schedule,
    delete_schedule,
    latest_jobs,
    list_schedules,
    schedule,
    scheduled_jobs,
)
from jobs.engine.queue.waiting import Waiting, jobs_ahead, pace, why_waiting

__all__ = [
    "MOST_AHEAD",
    "MOST_SAMPLE",
    "SEARCHED",
    "SHOWN_STATES",
    "GridPage",
    "GridQuery",
    "JobView",
    "NotificationTarget",
    "QueueMessage",
    "SchedulePlan",
    "Waiting",
    "answer_approval",
    "approvals_of",
    "attempts",
    "cancel",
    "change_schedule",
    "checked_cron",
    "checked_notifications",
    "column_values",
    "count_by_value",
    "create_schedule",
    "delete",
    "delete_schedule",
    "example_items",
    "export",
    "finished_keys",
    "grid_page",
    "has_lost_secret",
    "item",
    "item_at",
    "item_columns",
    "item_rows",
    "items",
    "job",
    "job_counts",
    "job_status",
    "jobs_ahead",
    "latest_jobs",
    "list_jobs",
    "list_schedules",
    "log_count",
    "neighbours",
    "notifications_of",
    "output_files",
    "pace",
    "pin",
    "places",
    "read_log",
    "readable_job",
    "retry",
    "retry_rows",
    "run_schedule",
    "sample",
    "schedule",
    "scheduled_jobs",
    "served_queues",
    "stop_many",
    "stop_matching",
    "submit",
    "upcoming_runs",
    "usage",
    "value_counts",
    "webhook_secret",
    "why_waiting",
    "working_count",
    "written_in_try",
]
