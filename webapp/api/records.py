"""Records of the JSON API: what it answers, and the bodies that it takes. Each is described once, here and in the packages.

A class whose bare name is another thing's in this code ends in Record or Body; its name in the description of the API does not.
No file of records has `from __future__ import annotations`: pydantic would evaluate each annotation out of a string, which takes
a third of the time that it takes to make the classes, at each start of a web process.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from jobs.engine.errors import InvalidParams
from jobs.engine.validation import params_errors
from webapp.http import parsing


def limits(**keywords: Any) -> Any:
    """Keywords of JSON schema that are described and not checked: a row that was written under other limits is still shown."""
    return Field(json_schema_extra=keywords)


def one_of(values: Collection[str]) -> Any:
    """The values of a text, described and not checked."""
    return limits(enum=list(values))


def left_out(value: object) -> Any:
    """The value of a field that is not sent. It is no default in the description, because in a change it means: as it is."""
    return Field(default_factory=lambda: value)


Whole = Annotated[int, limits(minimum=0)]
# A decimal number as text: `cost` adds up exactly.
Dollars = Annotated[Decimal, PlainSerializer(lambda amount: format(amount, "f"), return_type=str)]
Moment = Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC))]
Next = Annotated[str | None, Field(description="The value of `after` for the next page; null on the last page.")]


class Record(BaseModel):
    """What the API answers. The schema is built at its first use, not with the import."""

    model_config = ConfigDict(from_attributes=True, defer_build=True, serialize_by_alias=True)

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        """The record of a row. `more`: fields that are not attributes of the row."""
        return cls.model_validate(_Attributes(row, more) if more else row)


class Located(Record):
    """A record with an address, which is the `Location` of an answer that says that something was made or begun."""

    ADDRESS: ClassVar[str]  # of a `row`
    POLLED: ClassVar[bool] = False  # whether `Retry-After` goes along until the record has ended

    url: str

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        return super().of(row, url=cls.ADDRESS.format(row=row), **more)

    @property
    def ended(self) -> bool:
        return False


class Body(BaseModel):
    """What the API takes: no other fields, and no text where a number is wanted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def read(cls) -> Self:
        """The body of this request. Raises what `parsing.json_object` does, and InvalidParams with the fields' names."""
        given = parsing.json_object()
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidParams(params_errors(error)) from None


class FieldProblem(Record):
    """A field that does not fit, and why."""

    field: str
    message: str


class ProblemRecord(Record):
    """An error, by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    reason: str = left_out("")
    errors: list[FieldProblem] = Field(default_factory=list)


class _Attributes:
    def __init__(self, row: Any, more: dict[str, Any]):
        self._row, self._more = row, more

    def __getattr__(self, name: str) -> Any:
        return self._more[name] if name in self._more else getattr(self._row, name)
