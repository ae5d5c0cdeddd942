"""A draft: a job's form as filled in so far, and its page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any
from uuid import uuid4

from flask import render_template

from jobs.engine import files as engine_files
from jobs.engine import kinds, queue, settings
from jobs.engine.errors import BadInput, FieldError, InvalidParams, LegworkError, NotFound
from jobs.engine.formats.tables import DETECTED, ReadOptions
from webapp import forms
from webapp.forms import estimates
from webapp.http.guards import current_owner
from webapp.ui import safe_text, words

SAMPLE_ROWS = 3


@dataclass
class Draft:
    """One form, as filled in so far. `key` makes submissions of the same form the same job."""

    kind: kinds.Kind
    raw: forms.Raw
    errors: list[FieldError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    parent: str = ""
    name: str = ""  # what the job is to be called
    later: str = ""  # of a datetime-local control; empty means now
    run_at: datetime | None = None
    zone: str = ""
    posted: bool = False  # nothing is computed for a form that comes by its address alone: any site can link to it
    key: str = field(default_factory=lambda: uuid4().hex)
    pasted: str = ""
    tell: dict[str, str] = field(default_factory=dict)  # channel -> address, for when it has ended
    tell_errors: dict[str, str] = field(default_factory=dict)
    valid: kinds.ValidParams | None = None  # once `check` found no error in them
    targets: list[queue.NotificationTarget] = field(default_factory=list)  # of `tell`, checked

    @cached_property
    def fields(self) -> list[forms.Field]:
        return list(forms.of_kind(self.kind))

    @cached_property
    def params(self) -> dict[str, Any]:
        """The params that can be read out of the form, whole or not."""
        return forms.params_of(self.fields, self.raw)[0]

    @cached_property
    def files(self) -> dict[str, Any]:
        """Every chosen file by its ref: name and bytes; None for one that is gone."""
        refs = [ref for one in self.fields if one.control in ("file", "files") for ref in _refs(self.raw.get(one.name))]
        return {ref: file_of(ref) for ref in refs}

    @cached_property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The first table chosen in each file field that holds one."""
        found = {one.name: self._table(one) for one in self.fields if one.control in ("file", "files")}
        return {name: table for name, table in found.items() if table}

    def columns(self, one: forms.Field) -> list[str]:
        """The columns that may be named in this field."""
        table = self.tables.get(one.columns_of or "") or next(iter(self.tables.values()), None)
        return list((table or {}).get("columns") or ())

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """What the kind says can be chosen, by the files of the form."""
        if not (self.posted and self.kind.has_choices and any(self.files.values())):
            return {}
        with suppress(LegworkError):
            return kinds.choices(self.kind.name, self.params, owner=current_owner())
        return {}

    def options(self, one: forms.Field) -> list[Any]:
        """The options of a field, without those that do not fit what was chosen above."""
        fitting = self.choices.get(one.name)
        kept = [option for option in one.options if option is not None]
        return [option for option in kept if fitting is None or option in fitting or str(option) == self.raw[one.name]]

    def rows(self, one: forms.Field) -> list[list[str]]:
        """The rows of a field, and empty ones to fill in."""
        given = forms.rows_of(one, self.raw[one.name])
        spare = 0 if one.once else (1 if given else 2)
        return given + [forms.empty_row(one)] * spare

    def inner(self, one: forms.Field) -> forms.Field | None:
        """The field in which a part of what is chosen in this one can be chosen."""
        return next((inner for inner in self.fields if inner.within == one.name), None)

    @staticmethod
    def grouped(found: Iterable[forms.Field]) -> list[tuple[str, list[forms.Field]]]:
        """Fields in their order, those of one mapping together."""
        return [(group, list(some)) for group, some in groupby(found, key=lambda one: one.group)]

    def has(self, name: str) -> bool:
        return any(one.name == name for one in self.fields)

    def first_row(self, one: forms.Field) -> str:
        """The template in this field, filled from the table's first row; empty where there is none."""
        table = self.tables.get(one.columns_of or "")
        text = self.raw.get(one.name)
        if not table or not table.get("first") or not isinstance(text, str):
            return ""
        return kinds.fill_in(text, table["first_shown"][0]) or ""

    @cached_property
    def about(self) -> kinds.Estimate | None:
        """What the kind says that it would take; None while the form is not complete, or has not been posted."""
        if self.errors or not self.posted:
            return None
        if self.valid:
            return self.valid.estimate
        try:
            return kinds.estimate(self.kind.name, self.params, owner=current_owner())
        except LegworkError:
            return None

    def expected(self) -> estimates.Expected | None:
        """What it would take, also by earlier jobs; None as long as a field is wrong."""
        if not self.posted or not self.complete or self.errors:
            return None
        return estimates.expected(self.kind.name, self.params, self.about, current_owner())

    @property
    def notify(self) -> list[dict[str, str]]:
        return [{"channel": channel, "target": target} for channel, target in self.tell.items() if target]

    @property
    def complete(self) -> bool:
        """Whether every field could be read."""
        return not self.errors and not forms.params_of(self.fields, self.raw)[1]

    def as_json(self) -> str:
        """The body of the same job for the API; secrets are left out."""
        secret = {one.name for one in self.fields if one.control == "secret"}
        shown = {name: "…" if name in secret and value else value for name, value in self.params.items()}
        return json.dumps(shown, ensure_ascii=False, indent=2)

    def _table(self, one: forms.Field) -> dict[str, Any] | None:
        ref = next(iter(_refs(self.raw.get(one.name))), None)
        if ref is None or (one.control == "files" and one.accept != "table"):
            return None
        try:
            return engine_files.describe_table(ref, current_owner(), self._reading(one))
        except NotFound:
            return None
        except LegworkError as error:
            return {"error": str(error)}

    def _reading(self, one: forms.Field) -> ReadOptions:
        """How the form says that this table is to be read. Only the first field of a table has such options."""
        if not self.posted or not self.reads_first(one):
            return DETECTED
        return ReadOptions.chosen({name: str(self.raw.get(name) or "") for name in kinds.READING})

    @property
    def given(self) -> list[str]:
        """The fields that are filled in."""
        return [name for name, raw in self.raw.items() if raw]

    def reads_first(self, one: forms.Field) -> bool:
        """Whether this is the field whose table the options of reading are for."""
        return next((field for field in self.fields if field.accept == "table"), None) is one


def blank(kind: kinds.Kind) -> Draft:
    return Draft(kind, forms.blank(forms.of_kind(kind)))


def of_params(kind: kinds.Kind, params: Mapping[str, Any]) -> Draft:
    """A form that stands for these params; what the kind does not know any more is dropped, with a notice."""
    found = forms.of_kind(kind)
    draft = Draft(kind, forms.filled(found, params))
    if strange := forms.strangers(found, params):
        draft.notices.append(f"Left out, because this kind does not ask for it (any more): {', '.join(strange)[:300]}.")
    return draft


def page(draft: Draft, status: int = 200) -> tuple[str, int]:
    """The form's page. Its errors stand on top and at their fields."""
    _miss_files(draft)
    at_field, general = forms.by_field(draft.fields, draft.raw, draft.errors)
    html = render_template(
        "jobs/form.html",
        draft=draft,
        kind=draft.kind,
        errors=at_field,
        general=general,
        shown=[one for one in draft.fields if not one.advanced],
        folded=[one for one in draft.fields if one.advanced],
        served=is_served(draft.kind),
        sample_rows=SAMPLE_ROWS,
        summary=_summary(draft),
        limits_of=forms.limits,
        earlier=_earlier,
        read_as=read_as,
        reading=kinds.READING,
        hint_of=_hint_of,
        starts=_starts(draft.kind),
        notes_of=notes_of,
        most_bytes=settings.current().max_upload_bytes,
    )
    return html, status


def check(draft: Draft) -> bool:
    """Read and validate the whole form; its errors, or its valid params, are in the draft then. True if it may start."""
    params, errors = forms.params_of(draft.fields, draft.raw)
    draft.errors += errors
    try:
        draft.run_at = run_at(draft)
    except ValueError as error:
        draft.errors.append(FieldError("run_at", str(error)))
    try:
        draft.targets = queue.checked_notifications(draft.notify)
    except InvalidParams as error:
        draft.tell_errors = {one.field: one.message for one in error.errors}
        draft.errors += [FieldError("", one.message) for one in error.errors]
    try:
        draft.valid = kinds.validate(draft.kind.name, params, owner=current_owner(), estimating=True)
    except InvalidParams as error:
        unread = {one.field for one in draft.errors}
        draft.errors += [one for one in error.errors if one.field.split(".")[0] not in unread]
    except BadInput as error:
        draft.errors.append(FieldError("", str(error)))
    return not draft.errors


def run_at(draft: Draft) -> datetime | None:
    """The moment the job may start, from the viewer's clock; ValueError with a sentence."""
    if not draft.later:
        return None
    try:
        local = datetime.fromisoformat(draft.later)
    except ValueError:
        raise ValueError("Write the time as a date and a clock time, such as 2026-11-24T06:00.") from None
    moment = local if local.tzinfo else local.replace(tzinfo=words.named_zone(draft.zone or "UTC") or words.zone())
    if moment <= words.now():
        raise ValueError("This time has passed. Choose a later one, or start now.")
    return moment


def is_served(kind: kinds.Kind) -> bool:
    """Whether a worker that is alive takes this kind's jobs."""
    return kind.queue in queue.served_queues()


def notes_of(about: kinds.Estimate | None) -> list[str]:
    """What a person should read before the start, as sentences."""
    notes = about.notes if about else ()
    return [f"{note[:1].upper()}{note[1:]}{'' if note.endswith(('.', '?', '!')) else '.'}" for note in notes]


def _starts(kind: kinds.Kind) -> str:
    """When a job of this kind would start if it were submitted now, and what is before it."""
    ahead = queue.jobs_ahead(kind.queue)
    if not ahead.workers:
        return "waits for a worker"
    if not ahead.busy:
        return "starts now"
    before = (
        f"after {words.capped(ahead.jobs)} {'job' if ahead.jobs == 1 else 'jobs'}" if ahead.jobs else "next in line"
    )
    return f"{before}, in about {words.duration(ahead.seconds)}" if ahead.seconds else before


def file_of(ref: str) -> dict[str, Any] | None:
    if ref.startswith("sample:"):
        if engine_files.describe_table(ref, current_owner()) is None:
            return None
        return {"id": ref, "name": ref.removeprefix("sample:"), "bytes": None, "sample": True}
    if ref.startswith(engine_files.JOB_ROWS):
        with suppress(BadInput):
            rows = engine_files.find_input(ref, current_owner())
            return {"id": ref, "name": rows.name, "bytes": None, "sample": False, "job": rows.job}
        return None
    try:
        file = engine_files.file(ref, current_owner())
    except NotFound:
        return None
    return {"id": ref, "name": file.name, "bytes": file.bytes, "sample": False}


def read_as(table: Mapping[str, Any]) -> str:
    """How a table was read: Read as CSV, separated by commas, UTF-8. 1,204 rows, 5 columns."""
    how = [str(table["format"]).upper()]
    if table.get("delimiter"):
        how.append(f"separated by {_DELIMITERS.get(table['delimiter'], table['delimiter'])}")
    if table.get("encoding"):
        how.append(str(table["encoding"]).upper().replace("UTF-8-SIG", "UTF-8"))
    if table.get("sheet"):
        how.append(f"sheet “{safe_text.cell(table['sheet'], 60)}”")
    if table.get("header_row") is not None:
        line = "line" if table.get("delimiter") else "row"
        how.append(
            f"header in {line} {words.number(table['header_row'])}" if table["header_row"] else "without a header"
        )
    rows, columns = table.get("rows"), len(table["columns"])
    counted = f"{words.number(columns)} {'column' if columns == 1 else 'columns'}"
    if rows is not None:
        about = "" if table.get("exact") else "About "
        counted = f"{about}{words.number(rows)} {'row' if rows == 1 else 'rows'}, {counted}"
    return f"Read as {', '.join(how)}. {counted}."


_DELIMITERS = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    "none": "nothing: a single column",
    "blanks": "blanks",
}


def _hint_of(name: str, table: Mapping[str, Any]) -> str:
    """What was detected, where the form has an option for it."""
    found = table.get(name)
    return "Detected" if found in (None, "") else f"Detected: {'none' if found == 0 else _SIGNS.get(found, found)}"


_SIGNS = {"\t": "tab"}


def _earlier(one: forms.Field) -> list[Any]:
    """The uploads that may be chosen again in this field."""
    uploads = engine_files.list_uploads(current_owner())
    return [file for file in uploads if file.table or one.accept != "table"]


def _summary(draft: Draft) -> str:
    """The folded fields that count and hold something, in a line."""
    said = []
    for one in forms.applying(draft.fields, draft.raw):
        raw = draft.raw.get(one.name)
        if one.advanced and raw and isinstance(raw, str) and one.control not in ("secret", "json"):
            said.append(f"{one.label.lower()} {'yes' if one.control == 'checkbox' else safe_text.cell(raw, 40)}")
    return ", ".join(said)


def _refs(raw: str | list[str] | None) -> list[str]:
    return [ref for ref in ([raw] if isinstance(raw, str) else raw or []) if ref]


def _miss_files(draft: Draft) -> None:
    """A file that was deleted meanwhile is said so at its field, and unchosen."""
    for one in draft.fields:
        gone = [
            ref for ref in _refs(draft.raw.get(one.name)) if one.control in ("file", "files") and not draft.files[ref]
        ]
        if not gone:
            continue
        left = [ref for ref in _refs(draft.raw[one.name]) if ref not in gone]
        draft.raw[one.name] = left if one.control == "files" else ""
        if not any(error.field == one.name for error in draft.errors):
            draft.errors.append(FieldError(one.name, "The file that was chosen is not there any more. Choose another."))
