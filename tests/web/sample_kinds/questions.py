"""Ask for everything that a form can ask.

The job gives its answers back.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from jobs.engine.errors import FieldError
from jobs.engine.kinds.definition import Estimate, Find
from jobs.engine.kinds.params import FileRef, KindParams, TableFile, param
from jobs.engine.worker.context import Context

TITLE = "Questions"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
NOUN = ("answer", "answers")


class Point(BaseModel):
    x: int = Field(ge=0)
    y: int = 0


class Params(KindParams):
    table: TableFile | None = param("Table", "Rows to look at.", default=None)
    papers: list[FileRef] = param("Papers", "As many as you like.", default_factory=list)
    word: str = param("A word", "It must not be empty.", min_length=1, max_length=20)
    story: str = param("A story", default="", widget="text")
    pattern: str = param("A pattern", default="{id}", widget="code", columns_of="table")
    whole: int = param("A whole number", default=7, ge=1, le=100, unit="pieces")
    part: float | None = param("A part", "Empty: none.", default=None, ge=0, le=1)
    sure: bool = param("Are you sure", default=True)
    colour: Literal["red", "green", "blue", "ochre"] = param("A colour", default="green")
    side: Literal["left", "right"] = param("A side")
    size: Literal[1, 2] = param("A size", default=1)
    tools: list[Literal["hammer", "saw"]] = param("Tools", default_factory=list)
    point: Point | None = param("A point", default=None)
    anything: dict[str, Any] = param("Anything", default_factory=dict, widget="json")
    hosts: list[str] = param("Hosts", default_factory=list, max_length=3)
    parts: list[float] = param("Parts", default_factory=list)
    parting: dict[str, str] = param(
        "Which column is what", default_factory=dict, names=("title", "text"), columns_of="table"
    )
    column: str = param("A column", default="", columns_of="table")
    pace: Literal["slow", "fast"] = param("A pace", default="slow", words={"slow": "As it comes", "fast": "At once"})
    key: str = param("A key", default="", widget="secret")
    patience: int = param("Patience", default=5, ge=0, le=1_000_000, advanced=True, unit="s")


EXAMPLE: dict[str, Any] = {"table": "sample:reviews.csv", "word": "kettle", "side": "left"}


def check(params: Params, find: Find) -> list[FieldError]:
    if params.table:
        find(params.table)
    return [FieldError("word", "“nothing” is no word. Take another.")] if params.word == "nothing" else []


def estimate(params: Params, find: Find) -> Estimate:
    return Estimate(items=1234, seconds=90, notes=("it gives back all that was asked, and changes nothing " * 3,))


def label(params: Params, find: Find) -> str:
    return params.word


def run(params: Params, context: Context) -> dict[str, Any]:
    return {"word": params.word}
