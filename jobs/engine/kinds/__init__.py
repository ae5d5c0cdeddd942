"""Kinds of job: discovery, params, checks, secrets and estimates."""

from __future__ import annotations

from jobs.engine.display import as_text
from jobs.engine.formats.text_templates import fill_in, parse_template, template_errors, value_of
from jobs.engine.kinds.catalogue import (
    kind,
    kinds,
    offered,
    queues,
    secret_params,
    shown_params,
    version,
)
from jobs.engine.kinds.checks import ValidParams
from jobs.engine.kinds.columns import NUMBERS, ItemColumn, KindResult, Role, Type, figure, figures_of, label_of
from jobs.engine.kinds.definition import Estimate, Find, Kind, Recipe, TrialPrompt
from jobs.engine.kinds.form_process import choices, estimate, preview, questions, validate
from jobs.engine.kinds.form_process import start as start_form_processes
from jobs.engine.kinds.params import READING, FileRef, KindParams, ShortText, TableFile, TableParams, param
from jobs.engine.kinds.shown import Chart, Html, Markdown, Picture, Table, Text

__all__ = [
    "NUMBERS",
    "READING",
    "Chart",
    "Estimate",
    "FileRef",
    "Find",
    "Html",
    "ItemColumn",
    "Kind",
    "KindParams",
    "KindResult",
    "Markdown",
    "Picture",
    "Recipe",
    "Role",
    "ShortText",
    "Table",
    "TableFile",
    "TableParams",
    "Text",
    "TrialPrompt",
    "Type",
    "ValidParams",
    "as_text",
    "choices",
    "estimate",
    "figure",
    "figures_of",
    "fill_in",
    "kind",
    "kinds",
    "label_of",
    "offered",
    "param",
    "parse_template",
    "preview",
    "questions",
    "queues",
    "secret_params",
    "shown_params",
    "start_form_processes",
    "template_errors",
    "validate",
    "value_of",
    "version",
]
