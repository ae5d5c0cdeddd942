"""Write one text per row of a table.

A language model answers your prompt once for each row, with the row's values filled in; the answers become a new column. What
a model writes between <think> tags before its answer goes into a column “reasoning”. Finished rows can be downloaded at any
time. A file of requests for OpenAI's batch endpoint can be used unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import islice
from typing import Any, Literal

from jobs.engine import llm, queue
from jobs.engine.kits import outcomes, texts
from jobs.engine.llm import Completion, batch_requests, most_tokens, response_format
from jobs.engine.llm import json_schema as llm_json_schema
from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    JobFailed,
    KindResult,
    Output,
    Recipe,
    Skip,
    TableFile,
    TableParams,
    TrialPrompt,
    as_shown,
    as_text,
    batch_choice,
    dollar_limit,
    expired_choice,
    figure,
    half_price,
    param,
    parse_template,
    template_errors,
    unknown_sentence,
)

TITLE = "Generate texts"
GROUP = "Text and AI"
WORDS = "translate, classify, extract, summarise, rewrite, answer, column, prompt, llm, gpt, ai, excel, csv, label, sentiment, json"
QUEUE = "io"
ASKS_MODEL = True
NEEDS = ("aiohttp", "jsonschema")
REUSE_PROCESS = True
NOUN = ("row", "rows")
SPREAD = True

BUILT_IN_TOKENS_PER_SECOND = 150  # of the built-in model on two cores, several rows at a time
SECONDS_PER_CALL = 3.0  # of a typical provider
MEASURED_ROWS = 2_000  # whose requests are measured for the estimate of the cost
CHECKED_AT_ONCE = 20_000_000  # bytes of a batch file whose ids are checked before the job is accepted


class Params(TableParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet. One row makes one text.")
    prompt: str = param(
        "Prompt",
        "Sent to the model for each row. A column's name in braces is replaced by its value.",
        default="",
        widget="code",
        columns_of="source",
        max_length=20_000,
    )
    system: str = param(
        "Instructions for all rows",
        "Optional system prompt: tone, length, what to leave out.",
        default="",
        widget="text",
        max_length=20_000,
    )
    output_column: str = param("Name of the new column", default="text", min_length=1, max_length=100)
    model: str = param("Model", "Empty: the configured model.", default="", advanced=True, max_length=200)
    max_tokens: int = param(
        "Longest answer",
        "A longer answer is cut off and marked.",
        default=256,
        ge=1,
        le=32_768,
        unit="tokens",
        advanced=True,
    )
    temperature: float | None = param(
        "Temperature",
        "Higher values give more varied answers. Empty: the model's default.",
        default=None,
        ge=0,
        le=2,
        advanced=True,
    )
    json_schema: dict[str, Any] | None = param(
        "JSON schema of the answer",
        "Optional. Answers that do not match it fail; each simple property becomes a column.",
        default=None,
        widget="json",
        advanced=True,
    )
    error_cells: Literal["empty", "skip"] = param(
        "Cells with an error",
        "Such as #N/A: left empty in the prompt, or the row is skipped.",
        default="empty",
        words={"empty": "Leave them empty", "skip": "Skip the row"},
        advanced=True,
    )
    reuse_answers: bool = param(
        "Use answers again",
        "Where an earlier job of yours with this option asked exactly the same, its answer is taken, without a call.",
        default=False,
        advanced=True,
    )
    concurrency: int = param("Rows at a time", default=16, ge=1, le=64, unit="rows", advanced=True)
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
    cost_limit: float | None = dollar_limit("No call starts that could pass it; the job keeps its finished rows.")
    token_budget: int | None = param(
        "Token budget",
        "The job ends there and keeps its finished rows. Empty: no limit.",
        default=None,
        ge=1,
        le=10**12,
        unit="tokens",
        advanced=True,
    )


ASKED = "prompt"  # its template is shown with the values of the row


def item_columns(params: Mapping[str, Any]) -> list[ItemColumn]:
    name = params.get("output_column") or "text"
    return [
        ItemColumn(name, type="markdown"),
        ItemColumn("flag", "Remark", "tag", words=texts.FLAGS, facet=True),
        ItemColumn("error_cells", "Cells with an error", "text"),
        ItemColumn("reasoning", "Reasoning", "markdown", shown="asked"),
        ItemColumn("finish_reason", "Ended", "tag", shown="asked", words=texts.FINISH_REASONS),
        ItemColumn("tokens", "Tokens", "tokens", shown="never"),  # they are the item's own
    ]


class Result(KindResult):
    rows: int = figure("Rows", type="number", shown="never")
    prompt_tokens: int = figure("Tokens read", type="tokens")
    completion_tokens: int = figure("Tokens written", type="tokens")
    cut_off: int = figure("Cut off", type="number", shown="if_any")
    refused: int = figure("Refused", type="number", shown="if_any")
    model: str = figure("Model")


EXAMPLE = {
    "source": "sample:reviews.csv",
    "prompt": "A customer wrote about our {product}, {stars} of 5 stars:\n{review}\n\nAnswer in one friendly sentence.",
    "system": "You write for a small shop. Plain words.",
    "max_tokens": 60,
    "temperature": 0.4,
}


def _fields(**properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


RECIPES = (
    Recipe(
        "Translate a column",
        {
            "source": "sample:reviews.csv",
            "prompt": "Translate into English. Answer with the translation alone.\n\n{review}",
            "output_column": "english",
        },
    ),
    Recipe(
        "Sort tickets by topic",
        {
            "source": "sample:reviews.csv",
            "prompt": "A customer wrote about our {product}:\n{review}\n\nWhat is it about?",
            "json_schema": _fields(topic={"type": "string", "enum": ["quality", "price", "delivery", "other"]}),
        },
    ),
    Recipe(
        "Extract fields from texts",
        {
            "source": "sample:reviews.csv",
            "prompt": "Read this review and say what was praised and what was criticised.\n\n{review}",
            "json_schema": _fields(praised={"type": "string"}, criticised={"type": "string"}),
        },
    ),
)


def check(params: Params, find: Find) -> list[FieldError]:
    try:
        source = find(params.source)
        table = source.table(params.reading)
        batch = batch_requests.is_batch(table.columns)
        if batch and source.bytes <= CHECKED_AT_ONCE:
            batch_requests.check_lines(source.rows(params.reading))
    except BadInput as error:
        return [FieldError("source", error.message)]
    wrong_prompt = [] if batch else template_errors(params.prompt, table.columns, source.name)
    errors = [FieldError("prompt", sentence) for sentence in wrong_prompt]
    if params.output_column in (*table.columns, *texts.OWN_COLUMNS):
        taken = f"There is a column “{params.output_column}” already. Choose another name."
        errors.append(FieldError("output_column", taken))
    if params.json_schema is not None and (sentence := llm_json_schema.schema_error(params.json_schema)):
        errors.append(FieldError("json_schema", sentence))
    if params.when == "day" and (sentence := _no_batches(params)):
        errors.append(FieldError("when", sentence))
    if (missing := llm.setup_error()) is not None:
        errors.append(FieldError("model", missing))
    return errors


def _no_batches(params: Params) -> str:
    if params.token_budget:
        return "A batch keeps to no budget of tokens. Leave the budget empty, or choose now."
    return llm.batch_error(params.model)


def estimate(params: Params, find: Find) -> Estimate:
    source = find(params.source)
    table = source.table(params.reading)
    if table.rows is None:
        return Estimate()
    ask = _asker(params, table.columns)
    rows, a_row = table.rows, llm.measured(ask, table.first).tokens
    seconds = (
        rows * a_row / BUILT_IN_TOKENS_PER_SECOND
        if llm.describe().built_in
        else rows * SECONDS_PER_CALL / params.concurrency
    )
    if params.requests_per_minute:
        seconds = max(seconds, rows * 60 / params.requests_per_minute)
    measured = llm.measured(ask, islice(source.rows(params.reading), MEASURED_ROWS))
    return Estimate(rows, rows, round(rows * a_row), round(seconds, 1), round(measured.bytes * rows))


def questions(params: Params, find: Find, rows: int) -> list[TrialPrompt]:
    source = find(params.source)
    table = source.table(params.reading)
    ask = _asker(params, table.columns)
    return [_question(ask, row) for row in islice(source.rows(params.reading), rows)]


def label(params: Params, find: Find) -> str:
    return find(params.source).name


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    source = context.open(params.source)
    table = source.table(params.reading)
    batch = _is_batch(params, table.columns)
    total = table.rows if table.exact else None
    if batch:
        total = context.once("requests", lambda: batch_requests.check_lines(source.rows(params.reading)))
    ask, budget = _asker(params, table.columns), context.budget(params.token_budget, params.cost_limit)
    added = texts.AnswerColumns(params.output_column, table.columns, params.json_schema is not None)
    kept = context.kept_answers(params.reuse_answers and not batch)  # a batch wants the provider's whole responses
    asked = () if batch else parse_template(params.prompt).columns_among(table.columns)

    async def write(row: dict[str, Any], model: llm.Chat) -> Output:
        body = ask(row)
        if (known := await kept.look(body)) is not None:
            return Output(columns_of(known, row), bill=known.bill)
        async with budget.room_for(most_tokens(body), model.most_cost(body), sent=model.is_sent(body)) as spend:
            try:
                answer = await model.send(body, params.requests_per_minute, spend.again)
            except JobFailed as error:
                if not batch or error.reason != "no_model":
                    raise
                raise BadInput(error.message, reason=error.reason) from None  # each request names its own model
            spend.bill = answer.bill
        await kept.keep(body, answer)
        return Output(columns_of(answer, row), bill=spend.bill)

    def columns_of(answer: Completion, row: dict[str, Any]) -> dict[str, Any]:
        return added.of(answer, unknown_sentence(row, asked)) | ({"response": answer.body} if batch else {})

    key, later = batch_requests.custom_id if batch else None, params.when == "day"
    rows = source.rows(params.reading)
    batches = half_price(
        context, rows, ask, batch_requests.URL, live=params.ask_expired, key=key, cost_limit=params.cost_limit
    )
    with batches if later else nullcontext(llm.open_client()) as client:
        counts = context.map(
            write,
            source.rows(params.reading),
            key=key,
            row=(lambda row: {"custom_id": batch_requests.custom_id(row)}) if batch else None,
            total=source.count(params.reading) if total is None else total,
            concurrency=params.concurrency,
            using=client,
            shared=not (later or budget.limits),  # each worker would count to the budget for itself
        )
    prompt_tokens, completion_tokens = context.used
    flags = queue.count_by_value(context.job.job_id, added.free("flag"))
    refused = sum(flags.get(flag, 0) for flag in texts.FLAGS)
    cut_off = sum(flags.values()) - refused
    return {
        "rows": counts.done,
        "tokens": prompt_tokens + completion_tokens,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "cut_off": cut_off,
        "refused": refused,
        "model": params.model or llm.default_model(),
        "seconds": round(time.monotonic() - began, 1),
        **outcomes.texts(context.job.job_id, params.output_column),
        "ends": outcomes.ends(counts, "Complete", "How the rows ended", {"Cut off": cut_off, "Refused": refused}),
    }


def _is_batch(params: Params, columns: list[str]) -> bool:
    """Whether each line is a whole request. Only a batch can have been submitted without a prompt."""
    return batch_requests.is_batch(columns) or not params.prompt.strip()


def _asker(params: Params, columns: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that makes the request body for a row. It raises Skip or BadInput for a row that cannot be used."""
    if _is_batch(params, columns):
        at_most = params.max_tokens if params.token_budget or params.cost_limit else None
        return lambda row: batch_requests.request(row, params.model, at_most)
    template = parse_template(params.prompt)
    named = template.columns_among(columns)
    settings = {"model": params.model, "max_tokens": params.max_tokens, "temperature": params.temperature}
    settings["response_format"] = None if params.json_schema is None else response_format(params.json_schema)
    always = {name: value for name, value in settings.items() if value is not None}
    system = [{"role": "system", "content": params.system}] if params.system.strip() else []

    def ask(row: dict[str, Any]) -> dict[str, Any]:
        if params.error_cells == "skip" and (sentence := unknown_sentence(row, named)):
            raise Skip(sentence, reason="error_cell")
        if not any(as_text(as_shown(row).get(column)).strip() for column in named):
            raise Skip(f"Nothing to send: {', '.join(named)} {'are' if named[1:] else 'is'} empty.")
        return always | {"messages": [*system, {"role": "user", "content": template.render(row)}]}

    return ask


def _question(ask: Callable[[dict[str, Any]], dict[str, Any]], row: dict[str, Any]) -> TrialPrompt:
    try:
        body = ask(row)
    except (Skip, BadInput) as error:
        return TrialPrompt(None, trouble=str(error))
    last = body["messages"][-1]
    return TrialPrompt(body, str(last.get("content") or "") if isinstance(last, dict) else "")
