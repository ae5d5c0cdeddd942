"""The API for kinds of job: `from jobs.engine.sdk import Context, KindParams, param`. See docs/add-a-kind.md."""

from __future__ import annotations

from jobs.engine.display import as_text
from jobs.engine.errors import (
    BadInput,
    BudgetSpent,
    Conflict,
    FieldError,
    JobFailed,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    SettingsError,
    Skip,
    StopRequested,
    TimeLimitReached,
    Transient,
)
from jobs.engine.files.inputs import Input
from jobs.engine.formats.tables import ReadOptions, as_shown, unknown_cells, unknown_sentence
from jobs.engine.formats.text_templates import parse_template, template_errors
from jobs.engine.kinds.columns import ItemColumn, KindResult, figure
from jobs.engine.kinds.definition import Estimate, Find, Recipe, TrialPrompt
from jobs.engine.kinds.params import (
    ColumnParams,
    FileRef,
    KindParams,
    ShortText,
    TableFile,
    TableParams,
    batch_choice,
    dollar_limit,
    expired_choice,
    param,
)
from jobs.engine.kinds.shown import Chart, Html, Markdown, Picture, Table, Text
from jobs.engine.worker.context import Context, Counts, Output
from jobs.engine.worker.half_price import half_price
from jobs.engine.worker.micro_batches import MicroBatcher

__all__ = [
    "BadInput",
    "BudgetSpent",
    "Chart",
    "ColumnParams",
    "Conflict",
    "Context",
    "Counts",
    "Estimate",
    "FieldError",
    "FileRef",
    "Find",
    "Html",
    "Input",
    "ItemColumn",
    "JobFailed",
    "KindParams",
    "KindResult",
    "Markdown",
    "MicroBatcher",
    "NotFound",
    "OutcomeUnknown",
    "Output",
    "Picture",
    "QuotaExceeded",
    "ReadOptions",
    "Recipe",
    "SettingsError",
    "ShortText",
    "Skip",
    "StopRequested",
    "Table",
    "TableFile",
    "TableParams",
    "Text",
    "TimeLimitReached",
    "Transient",
    "TrialPrompt",
    "as_shown",
    "as_text",
    "batch_choice",
    "dollar_limit",
    "expired_choice",
    "figure",
    "half_price",
    "param",
    "parse_template",
    "template_errors",
    "unknown_cells",
    "unknown_sentence",
]
