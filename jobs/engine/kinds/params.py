"""Types for the params of a kind, from which the form, the JSON schema, the API and the error messages are made.

class Params(KindParams):
    source: TableFile = param("Table", "One row makes one text.")
    prompt: str = param("Prompt", "A column's name in braces stands for its value.", widget="code", max_length=20_000)
    concurrency: int = param("Rows at a time", default=16, ge=1, le=64, unit="rows", advanced=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, field_validator
from pydantic_core import CoreSchema

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import Choices, DateOrder, NumberMarks
from jobs.engine.formats.tables import ReadOptions
from jobs.engine.formats.tables.delimited import known_delimiter
from jobs.engine.formats.tables.options import cell_range


class KindParams(BaseModel):
    """Base class of every kind's Params. Unknown fields, NaN and infinity are refused; text is not converted to a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_max_length=1_000_000)


ShortText = Annotated[str, Field(max_length=1_000)]
"""A name in a list or a mapping, such as a column or a host: at most 1,000 characters."""

FileRef = Annotated[str, Field(max_length=200, json_schema_extra={"format": "legwork-file"})]
"""A reference to a file: the id of an upload or an output, `sample:<name>`, or `job:<id>` for the rows of a job."""

TableFile = Annotated[str, Field(max_length=200, json_schema_extra={"format": "legwork-file", "accept": "table"})]
"""A reference to a file that must be a table: CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet."""


Shape = type[BaseModel] | Mapping[str, Any]  # a model, or its JSON schema


def schema_of(shape: Shape) -> dict[str, Any]:
    """The JSON schema of a shape."""
    return shape.model_json_schema() if isinstance(shape, type) else dict(shape)


READING = ("encoding", "delimiter", "sheet", "header_row", "cells")
SHARED = ("dates", "numbers", "text_columns", *READING)  # in the form they come after the kind's own params


def _as_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(value: str | None, read: Callable[[str], object]) -> str | None:
    """The text, if it can be read. Raises ValueError with the sentence of BadInput."""
    try:
        read(value or "")
    except BadInput as error:
        raise ValueError(error.message) from None
    return value


class TableParams(KindParams):
    """Params of a kind that reads a table: how it is read. They apply to the first `TableFile`, or to each of a list of them."""

    encoding: str | None = Field(
        None,
        title="Encoding",
        description="Of a table in text. Empty: detected.",
        max_length=40,
        json_schema_extra={"advanced": True},
    )
    delimiter: str | None = Field(
        None,
        title="Separator",
        description="Of a table in text: a character, tab, none for a single column, or blanks for columns lined up by "
        "blanks. Empty: detected.",
        max_length=6,
        json_schema_extra={"advanced": True},
    )
    sheet: str | None = Field(
        None,
        title="Sheet",
        description="Of a workbook: its name or number. Empty: the first that is not hidden and has cells.",
        max_length=200,
        json_schema_extra={"advanced": True},
    )
    header_row: Annotated[str | None, BeforeValidator(_as_number)] = Field(
        None,
        title="Header row",
        description="The row or line with the names of the columns, or none if there is no header. Empty: detected.",
        max_length=20,
        json_schema_extra={"advanced": True},
    )
    cells: str | None = Field(
        None,
        title="Range of cells",
        description="Such as B3:F200, B:F or 3:200. Empty: all of the sheet or file.",
        max_length=40,
        json_schema_extra={"advanced": True},
    )

    @field_validator("delimiter")
    @classmethod
    def _is_delimiter(cls, value: str | None) -> str | None:
        return _checked(value, lambda text: text and known_delimiter(text))

    @field_validator("header_row")
    @classmethod
    def _is_row(cls, value: str | None) -> str | None:
        return _checked(value, lambda text: ReadOptions(header_row=text).header)

    @field_validator("cells")
    @classmethod
    def _is_range(cls, value: str | None) -> str | None:
        return _checked(value, cell_range)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The kind's own params come first."""
        schema = handler.resolve_ref_schema(handler(core))
        found = schema.get("properties", {})
        own = {name: found[name] for name in found if name not in SHARED}
        schema["properties"] = own | {name: found[name] for name in SHARED if name in found}
        return schema

    @property
    def reading(self) -> ReadOptions:
        """How its tables are to be read."""
        return ReadOptions.chosen({name: getattr(self, name) for name in READING})


def files_of(params: KindParams) -> Iterator[tuple[str, str]]:
    """The files that the params refer to, as (dotted path of the field, reference)."""
    for name in _file_fields(type(params)):
        value = getattr(params, name)
        if isinstance(value, str) and value:
            yield name, value
        elif isinstance(value, list):
            yield from ((f"{name}.{place}", ref) for place, ref in enumerate(value))


@cache
def _file_fields(model: type[KindParams]) -> tuple[str, ...]:
    properties = model.model_json_schema().get("properties", {})
    cores = {name: (prop, prop.get("items", {}), *prop.get("anyOf", ())) for name, prop in properties.items()}
    return tuple(name for name, parts in cores.items() if any(one.get("format") == "legwork-file" for one in parts))


def param(
    title: str,
    help: str = "",
    *,
    default: Any = ...,
    widget: str | None = None,
    unit: str | None = None,
    advanced: bool = False,
    columns_of: str | None = None,
    words: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    only_if: Mapping[str, bool | Sequence[str]] | None = None,
    within: str | None = None,
    shape: Shape | None = None,
    shapes: tuple[str, Mapping[str, Shape]] | None = None,
    rows: Shape | None = None,
    **limits: Any,
) -> Any:
    """A pydantic Field with what the form needs.

    title, help: label and explanation in the form. default: without one the param is required.
    widget: "line", "text" (several lines), "code" (a template, with buttons that insert columns), "sql", "json", "secret" or
    "columns" (a choice of columns, for a text that takes a list too); None chooses by the type.
    unit: shown after the input. advanced: in a section that is closed at first. columns_of: the name of the file param whose
    columns are offered. words: labels of the choices of a Literal. names: the keys that a mapping may have.
    only_if: what other params must be for this one to count: values of a choice, or True (filled in), or False (empty). The
    form shows it only then, and leaves it out otherwise.
    within: the name of another list of choices, of which this one is a part.
    shape: what a mapping of any values has in it, so that the form has a field for each. shapes: the same, by the value of
    another param. rows: of a text such as sum(amount), count(*), the fields of one part; it must take a list of objects too.
    limits: pydantic's own (ge, le, min_length, max_length, ...).
    """
    extra: dict[str, Any] = {"widget": widget, "unit": unit, "advanced": advanced or None, "columns_of": columns_of}
    extra |= {"words": words and dict(words), "options": names and list(names), "within": within}
    extra["only_if"] = only_if and {name: one if isinstance(one, bool) else list(one) for name, one in only_if.items()}
    extra |= {"shape": shape and schema_of(shape), "rows": rows and schema_of(rows)}
    if shapes:
        extra["shapes"] = {"by": shapes[0], "of": {value: schema_of(one) for value, one in shapes[1].items()}}
    return Field(
        default,
        title=title,
        description=help or None,
        json_schema_extra={key: value for key, value in extra.items() if value is not None},
        **limits,
    )


class ColumnParams(TableParams):
    """Base class of the Params of a kind that computes with the columns of a table."""

    dates: DateOrder = param(
        "Order of dates",
        "Of dates such as 05/03/2026. Automatic: the order that all dates of the column fit; where two do, the result says "
        "which was taken.",
        default="auto",
        words={"auto": "Automatic"},
        advanced=True,
    )
    numbers: NumberMarks = param(
        "Way numbers are written",
        "Whether 1.234 is a thousand or a little more than one. Automatic: as all numbers of the column can be read; where "
        "both can be meant, the result says which was taken.",
        default="auto",
        words={"auto": "Automatic"},
        advanced=True,
    )
    text_columns: list[ShortText] = param(
        "Columns kept as text",
        "Their values stay as they are written, such as the $ of $1,200.50.",
        default=[],
        max_length=2_000,
        advanced=True,
    )

    @property
    def column_choices(self) -> Choices:
        return Choices(self.dates, self.numbers, tuple(self.text_columns))


def dollar_limit(help: str) -> Any:
    """A field for what a job may cost: `context.budget(dollars=params.cost_limit)`."""
    return param(
        "Most it may cost",
        f"{help} Empty: no limit.",
        default=None,
        gt=0,
        le=1_000_000,
        unit="dollars",
        advanced=True,
    )


def batch_choice() -> Any:
    """A field that says when requests to a model are answered: see `half_price`."""
    return param(
        "When",
        "In 24 hours the provider answers all rows in a batch. No worker is held meanwhile.",
        default="now",
        words={"now": "Now", "day": "Within 24 hours, for half the price"},
        advanced=True,
    )


def expired_choice() -> Any:
    """A field beside `when`: what becomes of rows that a batch did not come to."""
    text = "Ask again what a batch did not come to"
    return param(text, "At the full price.", default=True, only_if={"when": "day"}, advanced=True)
