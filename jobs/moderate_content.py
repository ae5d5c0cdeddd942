"""Moderate texts: harassment, hate, violence, self-harm, sexual content, spam.

Each text gets a score for each category, and from your thresholds a verdict: allow, review or block. Words of your own lists
decide before the scores. A person decides about texts to review, on the job's page. Thresholds can be changed later without
judging again. A text that could not be judged, such as one that the built-in classifier has no language for, is listed as
failed, never as allowed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal
from uuid import UUID

from jobs.engine import library, queue
from jobs.engine.kits import moderation
from jobs.engine.kits.moderation import Judge, JudgeChoice, Threshold
from jobs.engine.library import Document
from jobs.engine.llm import batch_error, embeddings
from jobs.engine.sdk import (
    BadInput,
    Chart,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    JobFailed,
    KindResult,
    Output,
    Recipe,
    ShortText,
    Skip,
    TableFile,
    TableParams,
    as_shown,
    as_text,
    batch_choice,
    expired_choice,
    figure,
    half_price,
    param,
    unknown_sentence,
)

TITLE = "Moderate content"
GROUP = "Text and AI"
WORDS = "comments, safety, spam, toxic, abuse, review, filter, hate, forum, classify"
QUEUE = "io"
NEEDS = ("aiohttp", "onnxruntime", "tokenizers", "py3langid")
NOUN = ("text", "texts")
SPREAD = True
RESULT_TEMPLATE = "jobs/results/moderate_content.html"

USUAL = {moderation.DEFAULT: Threshold(review=moderation.REVIEW, block=moderation.BLOCK)}
BUILT_IN_TEXTS_PER_SECOND = 40
SECONDS_PER_CALL = 0.4  # of a typical provider
BUILT_IN = "built-in classifier"
SHOWN = 2_000  # characters of a document that are stored in its item


class Params(TableParams):
    source: TableFile | None = param(
        "Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet. Each row has one text.", default=None
    )
    text_column: str = param(
        "Column with the texts", "Of the table.", default="", columns_of="source", max_length=1_000
    )
    collection: str = param(
        "Or a collection", "Of the library, instead of a table.", default="", only_if={"source": False}, max_length=100
    )
    thresholds: dict[str, Threshold] = param(
        "Thresholds",
        "The scores, from 0 to 1, from which a text is reviewed and blocked. Empty: never.",
        default=USUAL,
        names=(moderation.DEFAULT, *moderation.CATEGORY_WORDS),
        words={moderation.DEFAULT: "All other categories"} | moderation.CATEGORY_WORDS,
    )
    examples_column: str = param(
        "Column with known answers",
        "Of the table: yes where a text breaks a rule, no where it does not; also 1 and 0, or block and allow. The job picks the "
        "thresholds of all other categories from these texts. An empty cell is no example.",
        default="",
        columns_of="source",
        only_if={"source": True},
        max_length=1_000,
        advanced=True,
    )
    most_disturbed: float = param(
        "Harmless texts to a person",
        "At most this share of the examples that break no rule.",
        default=10.0,
        only_if={"examples_column": True},
        ge=0,
        le=100,
        unit="%",
        advanced=True,
    )
    block_words: list[ShortText] = param(
        "Words that block a text",
        "A word or phrase a line. It is found as whole words in any case, also as 1d10t or i d i o t. These texts are not scored.",
        default=[],
        max_length=moderation.MOST_WORDS,
        advanced=True,
    )
    review_words: list[ShortText] = param(
        "Words that send a text to a person",
        "The same. The scores can still block it.",
        default=[],
        max_length=moderation.MOST_WORDS,
        advanced=True,
    )
    observe_only: bool = param(
        "Only observe",
        "Verdicts are only recorded. Nothing is blocked, and there is nothing to review.",
        default=False,
    )
    judge: Literal["auto", "provider", "built_in"] = param(
        "Who judges",
        "Automatic: the provider that is set, if it has a moderation endpoint, else the small built-in classifier.",
        default="auto",
        words={"auto": "Automatic", "provider": "The provider", "built_in": "The built-in classifier"},
        advanced=True,
    )
    model: str = param("Model", "Of the provider. Empty: its default.", default="", max_length=200, advanced=True)
    concurrency: int = param("Texts at a time", default=16, ge=1, le=64, unit="texts", advanced=True)
    requests_per_minute: int | None = param(
        "Calls per minute",
        "Shared by all jobs with the same model. Empty: no limit.",
        default=None,
        ge=1,
        le=100_000,
        unit="calls",
        advanced=True,
    )
    when: Literal["now", "day"] = batch_choice()
    ask_expired: bool = expired_choice()


ITEMS_APART = True
MOST_CATEGORIES = 8  # in the chart

COLUMNS = (
    ItemColumn("title", "Document", "name", role="yours"),
    ItemColumn("document", type="hidden", role="yours"),
    ItemColumn("verdict", "Verdict", "tag", words=moderation.VERDICT_WORDS, facet=True),
    ItemColumn(
        "category",
        "Highest for",
        "tag",
        words={**moderation.CATEGORY_WORDS, moderation.OWN_WORDS: "Your words"},
        facet=True,
    ),
    ItemColumn("severity", "Severity", "tag", words=moderation.SEVERITY_WORDS, facet=True),
    ItemColumn("score", "Score", "number", decimals=2),
    ItemColumn("rule", "Why", "text"),
    ItemColumn("decided_by", "Decided by", "word", facet=True),
    ItemColumn("word", "Your word", "text", shown="asked"),
    ItemColumn("word_verdict", type="hidden"),
    ItemColumn("scores", "Scores", "counts", shown="asked", words=moderation.CATEGORY_WORDS),
    ItemColumn("passages", "Passages", "tree", shown="asked"),
)


class Result(KindResult):
    texts: int = figure("Texts", type="number", shown="never")
    not_judged: int = figure("Not judged", type="number", shown="if_any")
    judge: str = figure(
        "Judged by", type="tag", words={BUILT_IN: "The built-in classifier", "provider": "The provider"}
    )
    observe_only: bool = figure("Observes only", type="yes_no", shown="if_any")
    decided: int = figure("Decided by people", type="number", shown="if_any")
    fitted: dict[str, Any] | None = figure("Thresholds from examples", shown="never")
    verdicts: dict[str, int] = figure("Verdicts", type="counts", shown="never")
    model: str = figure("Model")


EXAMPLE: dict[str, Any] = {
    "source": "sample:comments.csv",
    "text_column": "comment",
    "thresholds": {"default": {"review": 0.2, "block": 0.7}, "spam": {"review": 0.3, "block": 0.5}},
}

RECIPES = (Recipe("Check comments before they appear", EXAMPLE),)


def check(params: Params, find: Find) -> list[FieldError]:
    errors = _where(params, find)
    known = moderation.built_in_classifier().categories if _built_in(params) else ()
    if error := moderation.threshold_errors(params.thresholds, known):
        errors.append(FieldError("thresholds", error))
    for name in ("block_words", "review_words"):
        if error := moderation.error_in(getattr(params, name)):
            errors.append(FieldError(name, error))
    if missing := moderation.setup_error(params.judge):
        errors.append(FieldError("judge", missing))
    if params.when == "day":
        at_once = "The built-in classifier costs nothing and answers at once. Choose now."
        if sentence := at_once if _built_in(params) else batch_error(params.model):
            errors.append(FieldError("when", sentence))
    return errors


def _where(params: Params, find: Find) -> list[FieldError]:
    collection = params.collection.strip()
    if (params.source is None) == (not collection):
        both = (
            "Choose either a table or a collection, not both."
            if collection
            else "Choose a table, or name a collection."
        )
        return [FieldError("source", both)]
    if params.source is None:
        return []
    try:
        table = find(params.source).table(params.reading)
    except BadInput as error:
        return [FieldError("source", error.message)]
    columns, answers = table.columns, params.examples_column
    some = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    if answers and answers not in columns:
        return [FieldError("examples_column", f"There is no column “{answers}”. There are: {some}.")]
    if answers and (wrong := moderation.label_error(table.first, answers)):
        return [FieldError("examples_column", wrong)]
    if params.text_column in columns:
        return []
    if not params.text_column:
        return [FieldError("text_column", f"Say which column has the texts. There are: {some}.")]
    return [FieldError("text_column", f"There is no column “{params.text_column}”. There are: {some}.")]


def _built_in(params: Params) -> bool:
    return params.judge == moderation.BUILT_IN or not embeddings.has_provider()


def estimate(params: Params, find: Find) -> Estimate:
    if params.source is None:
        return Estimate()
    texts = find(params.source).table(params.reading).rows
    if texts is None:
        return Estimate()
    if _built_in(params):
        return Estimate(texts, seconds=round(1 + texts / BUILT_IN_TEXTS_PER_SECOND, 1))
    return Estimate(texts, texts, seconds=round(1 + texts * SECONDS_PER_CALL / params.concurrency, 1))


def label(params: Params, find: Find) -> str:
    return find(params.source).name if params.source is not None else params.collection.strip()


def run(params: Params, context: Context) -> dict[str, Any]:
    began, job_id = time.monotonic(), context.job.job_id
    stored = context.once("judge", lambda: moderation.choose(params.judge, params.model).as_json())
    chosen = JudgeChoice.from_json(stored)
    if chosen.why:
        context.log(chosen.why)
    thresholds = moderation.in_force(job_id, params.thresholds)
    decided = moderation.decided(job_id)
    words = moderation.WordLists(params.block_words, params.review_words)

    async def judge(entry: tuple[str, str, dict[str, Any]], court: Judge) -> Output:
        key, text, row = entry
        if not text.strip():
            raise Skip(unknown_sentence(row, [params.text_column]) or "It has no text.")
        found = words.find(text)
        columns = moderation.columns(await moderation.judged(text, court, found), thresholds, found) | decided.get(
            key, {}
        )
        return Output(columns, verdict=columns["verdict"])

    def ask(entry: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
        found = words.find(entry[1])
        if not entry[1].strip() or (found and found.verdict == "block"):
            raise Skip("There is nothing to ask for.")
        return moderation.provider_requests(chosen, entry[1])

    def texts() -> tuple[Iterator[tuple[str, str, dict[str, Any]]], int | None]:
        return _of_table(params, context) if params.source is not None else _of_library(params, context)

    def key(entry: tuple[str, str, dict[str, Any]]) -> str:
        return entry[0]

    later = params.when == "day" and not chosen.built_in
    batches = half_price(context, texts()[0], ask, moderation.BATCH_URL, live=params.ask_expired, key=key)
    with batches if later else nullcontext() as answers:
        entries, total = texts()
        counts = context.map(
            judge,
            entries,
            key=key,
            row=lambda entry: entry[2],
            total=total,
            concurrency=params.concurrency,
            using=moderation.judge(chosen, params.requests_per_minute, params.concurrency, answers),
            shared=not later,
        )
    return {
        "texts": counts.done,
        "not_judged": counts.failed,
        "judge": BUILT_IN if chosen.built_in else "provider",
        "model": chosen.model,
        "observe_only": params.observe_only,
        "fitted": _fitted(params, context),
        "seconds": round(time.monotonic() - began, 1),
        **moderation.figures(job_id),
        "by_category": _by_category(job_id),
    }


def _fitted(params: Params, context: Context) -> dict[str, Any] | None:
    """Thresholds from the examples of the table, which are in force from here on."""
    column, most = params.examples_column, params.most_disturbed / 100
    if params.source is None or not column:
        return None
    fit = partial(moderation.fit_thresholds, context.job.job_id, column, params.thresholds, most)
    return dict(context.once("thresholds", fit) or {}) or None


def _by_category(job_id: UUID) -> Chart | None:
    """For what the texts scored highest, of those that a rule is about."""
    counts = queue.count_by_value(job_id, "category")
    shown = {moderation.named(name): count for name, count in counts.items() if name}
    most = sorted(shown.items(), key=lambda one: -one[1])[:MOST_CATEGORIES]
    return Chart("bars", most, "Scored highest for") if most else None


def _of_table(params: Params, context: Context) -> tuple[Iterator[tuple[str, str, dict[str, Any]]], int | None]:
    """Key, text and row of each row, and the number of rows."""
    assert params.source is not None
    source = context.open(params.source)
    table = source.table(params.reading)
    total = table.rows if table.exact else source.count(params.reading)
    rows = enumerate(source.rows(params.reading), start=1)
    return ((str(place), as_text(as_shown(row).get(params.text_column)), row) for place, row in rows), total


def _of_library(params: Params, context: Context) -> tuple[Iterator[tuple[str, str, dict[str, Any]]], int | None]:
    """The same for documents. A changed text makes a new item, without a decision."""
    owner, collection = context.job.owner, params.collection.strip()
    total = library.count(owner, collection)
    if not total:
        raise JobFailed(f"There is no document in “{collection}”. Add some with “Process files”.", reason="empty")
    return (_entry(document, owner) for document in library.each(owner, collection)), total


def _entry(document: Document, owner: str) -> tuple[str, str, dict[str, Any]]:
    text = library.document(document.id, owner, with_text=True).text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    shown = {"document": str(document.id), "title": document.title, "text": text[:SHOWN]}
    return f"{document.id}-{digest}", text, shown


def view(job: queue.JobView, query: Mapping[str, str]) -> dict[str, Any] | None:
    """Variables of the job's page: the counts of verdicts, the texts with one verdict, the last decisions and changes."""
    shown = moderation.job_page(job, query)
    built_in = (job.result or {}).get("judge") == BUILT_IN
    return shown and {**shown, "measured": moderation.built_in_classifier().measured if built_in else None}
