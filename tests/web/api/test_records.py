"""Records: what they make of a row, and what of it the description of the API says."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

from webapp.api.records import Located, Moment, Record, Whole, limits, one_of


class Shoe(Located):
    ADDRESS: ClassVar[str] = "/shoes/{row.id}"

    id: int
    colour: Annotated[str, one_of(("red", "blue"))]
    size: Annotated[float, limits(maximum=50)]
    laces: Whole | None
    made_at: Moment


def shoe(**more: Any) -> dict[str, Any]:
    row = SimpleNamespace(id=7, colour="red", size=42, laces=2, made_at=datetime(2026, 1, 2, tzinfo=UTC))
    found: dict[str, Any] = json.loads(Shoe.of(row, **more).model_dump_json())
    return found


def test_a_record_is_made_of_the_attributes_of_a_row() -> None:
    assert shoe() == {
        "url": "/shoes/7", "id": 7, "colour": "red", "size": 42.0, "laces": 2, "made_at": "2026-01-02T00:00:00Z"
    }  # fmt: skip


def test_what_is_given_goes_before_the_row() -> None:
    assert shoe(laces=None)["laces"] is None


def test_times_are_utc_by_rfc_3339() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=timezone(timedelta(hours=2)))
    assert shoe(made_at=at)["made_at"] == "2026-01-02T01:04:05.000060Z"


def test_limits_are_described_and_not_checked() -> None:
    """A row that was written under other limits is still shown."""
    assert (shoe(colour="green", size=51, laces=-1)["size"]) == 51
    properties = Shoe.model_json_schema(mode="serialization")["properties"]
    assert properties["colour"]["enum"] == ["red", "blue"]
    assert properties["size"]["maximum"] == 50
    assert properties["laces"]["anyOf"][0]["minimum"] == 0


def test_importing_the_site_builds_no_schema() -> None:
    code = (
        "import webapp.app; from webapp.api.records import Body, Record\n"
        "def below(model): return [one for sub in model.__subclasses__() for one in (sub, *below(sub))]\n"
        "print(len(below(Record)) > 40, [one.__name__ for one in below(Record) + below(Body) if one.__pydantic_complete__])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done.stdout, done.returncode) == ("True []\n", 0), done.stderr


def test_a_record_without_a_row_takes_its_fields() -> None:
    class Count(Record):
        count: Whole

    assert Count(count=3).model_dump_json() == '{"count":3}'
