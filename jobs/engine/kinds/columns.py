"""How a kind's columns and figures are shown: labels, types, units and formats, beside `Params`.

COLUMNS = (ItemColumn("words", "Words", type="number"), ItemColumn("status", "Status", type="tag", words={"new": "New"}))

class Result(KindResult):
    rows: int = figure("Rows", type="number", shown="never")
    answer: str = figure("Answer", type="markdown")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Type = Literal[
    "auto",  # by the values
    "name",  # what the row is about; links to its page
    "text",  # to be read: several words
    "markdown",
    "word",  # a short text
    "tag",  # one of few values
    "number",
    "money",
    "percent",  # 0.25 is 25 %
    "date",
    "seconds",
    "tokens",
    "bytes",
    "yes_no",
    "language",  # as ISO 639-1
    "media_type",
    "link",  # an address on the web
    "file",  # the id of a stored file
    "document",  # the id of a document in the library
    "job",  # the id of a job
    "code",
    "counts",  # a number for each name
    "tree",  # nested values
    "hidden",  # for programs; never on a page
]
Role = Literal["made", "yours", "run"]  # by the job, from the input, about the run

NUMBERS = ("number", "money", "percent", "seconds", "tokens", "bytes")
ABBREVIATIONS = {
    "id": "ID",
    "url": "URL",
    "sql": "SQL",
    "html": "HTML",
    "json": "JSON",
    "ndcg": "NDCG",
    "sha256": "SHA-256",
} | {name: name.upper() for name in ("pdf", "csv", "tsv", "jsonl", "xlsx", "docx", "npy", "odt", "epub", "rst", "txt")}
_WORD = re.compile(r"[_\s]+|(?<=[a-z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class ItemColumn:
    """A column of a kind's items, or a figure of its result.

    name: the key in the item or the result. label: for people; made of the name if it is empty. unit: shown after the label of
    a column, after the value of a figure. decimals: the same for all values; None: as many as they need. role: who made it.
    shown: "always"; "if_any": but for 0, no and nothing; "asked": in the list of columns only; "never". words: labels of
    values. facet: offer its values as filters. grouped: False leaves out thousands separators, as in a year.
    """

    name: str
    label: str = ""
    type: Type = "auto"
    unit: str = ""
    decimals: int | None = None
    role: Role = "made"
    shown: Literal["always", "if_any", "asked", "never"] = "always"
    words: Mapping[str, str] = field(default_factory=dict)
    facet: bool = False
    grouped: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or label_of(self.name))

    @property
    def numeric(self) -> bool:
        return self.type in NUMBERS


class KindResult(BaseModel):
    """Base class of a kind's Result: what each value of the dict that `run` returns is called, and how it is shown."""

    model_config = ConfigDict(extra="allow")


HEAD = {
    "failed": "Failed",
    "skipped": "Skipped",
    "unknown": "Unknown",
    "tokens": "Tokens",
    "seconds": "Took",
}  # what the head of the page says already


def figure(
    label: str,
    *,
    type: Type = "auto",
    unit: str = "",
    decimals: int | None = None,
    shown: Literal["always", "if_any", "asked", "never"] = "always",
    words: Mapping[str, str] | None = None,
) -> Any:
    """A field of a KindResult. The arguments are those of an ItemColumn."""
    extra: dict[str, Any] = {
        "type": type,
        "unit": unit,
        "decimals": decimals,
        "shown": shown,
        "words": dict(words or {}),
    }
    return Field(default=None, title=label, json_schema_extra=extra)


def figures_of(model: type[KindResult]) -> tuple[ItemColumn, ...]:
    """The figures of a Result, in its order; without those that the head of the page says."""
    own = [_figure(name, described) for name, described in model.model_fields.items()]
    head = [
        ItemColumn(name, label, "number", shown="never")
        for name, label in HEAD.items()
        if name not in model.model_fields
    ]
    return (*own, *head)


def label_of(name: str) -> str:
    """A label for a name of which nothing else is known: rows_left_out is “Rows left out”."""
    words = [ABBREVIATIONS.get(word.lower(), word) for word in _WORD.split(name.strip()) if word]
    text = " ".join(word if word.isupper() else word.lower() if place else word for place, word in enumerate(words))
    return text[:1].upper() + text[1:] if text else name


def _figure(name: str, described: Any) -> ItemColumn:
    extra = described.json_schema_extra
    return ItemColumn(name, described.title or label_of(name), **(extra if isinstance(extra, dict) else {}))
