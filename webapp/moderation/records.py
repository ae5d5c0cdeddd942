"""Verdicts, thresholds and decisions, as the API takes and shows them."""

from typing import Annotated, Literal

from pydantic import Field

from jobs.engine.db.models import VERDICTS
from jobs.engine.kits.moderation import Threshold
from webapp.api.records import Body, Moment, Next, Record, Whole, limits, one_of

DECIDED = ("allow", "block")

Score = Annotated[float, limits(minimum=0, maximum=1)]


class ScoreLimits(Record):
    """The score from which a person is to look, and the one from which a text is blocked; null: never."""

    review: Score | None
    block: Score | None


class VerdictCounts(Record):
    """How many items have each verdict."""

    allow: Whole
    review: Whole
    block: Whole


class ThresholdChangeRecord(Record):
    """Thresholds that a person set, and the verdicts before and after."""

    thresholds: dict[str, ScoreLimits]
    changed_by: str
    changed_at: Moment
    before: VerdictCounts
    after: VerdictCounts


class StandingRecord(Record):
    """The thresholds that count for a job, and the verdicts that follow from them."""

    thresholds: Annotated[dict[str, ScoreLimits], Field(description="By category.")]
    changed_by: Annotated[str | None, Field(description="null if the thresholds are those of the job's params.")]
    changed_at: Moment | None
    observe_only: bool
    verdicts: Annotated[VerdictCounts, Field(validation_alias="counts")]
    decided: Annotated[Whole, Field(description="How many items people decided.")]
    reviewed: Annotated[Whole, Field(description="How many of those waited for a decision.")]
    to_review: Annotated[Whole, Field(description="How many items wait for a decision.")]
    categories: list[str]


class Verdicts(StandingRecord):
    """The verdicts of a job, and the changes of its thresholds, the latest first."""

    changes: list[ThresholdChangeRecord]


class NewThresholds(Body):
    """Thresholds that take the place of those that count now."""

    thresholds: Annotated[
        dict[str, Threshold], Field(description="By category; `default` counts for those that are not named.")
    ]


class DecisionRecord(Record):
    """What a person decided about one item. It stays on record when it is taken back."""

    id: Annotated[str, Field(coerce_numbers_to_str=True)]
    item: Annotated[str, Field(validation_alias="key", description="The key of the item.")]
    before: Annotated[str, one_of(VERDICTS)]
    after: Annotated[str, one_of(DECIDED)]
    decided_by: str
    decided_at: Moment
    undone_by: str | None
    undone_at: Moment | None


class Decisions(Record):
    """A page of decisions."""

    decisions: list[DecisionRecord]
    next: Next


class NewDecision(Body):
    """The verdict of a person about one item."""

    item: Annotated[str, Field(description="The key of the item.")]
    verdict: Literal["allow", "block"]
