"""Turn the texts of a table into vectors.

Each row's text becomes an embedding, a vector that represents its meaning, for search, clustering or comparison. A text that
was embedded before is not embedded again. The file with the vectors is written at the end, also if the job is stopped.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from jobs.engine import queue
from jobs.engine.formats import exports
from jobs.engine.kits import vectors as kit_vectors
from jobs.engine.llm import batch_error, batch_requests, embeddings
from jobs.engine.llm.embeddings import batching, cache
from jobs.engine.sdk import (
    BadInput,
    Chart,
    Context,
    Estimate,
    FieldError,
    Find,
    Input,
    ItemColumn,
    JobFailed,
    KindResult,
    Output,
    Recipe,
    Skip,
    Table,
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

TITLE = "Embed texts"
GROUP = "Text and AI"
WORDS = "similar, duplicates, deduplicate, vectors, embeddings, clusters, map, near-duplicates, alike, semantic"
QUEUE = "io"
NEEDS = ("aiohttp", "numpy", "onnxruntime", "tokenizers")
NOUN = ("text", "texts")
SPREAD = True
RESULT_TEMPLATE = "jobs/results/embed_texts.html"

BUILT_IN_TOKENS_PER_SECOND = 1_000
SECONDS_PER_CALL = 0.5  # of a typical provider
AT_ONCE = 500  # rows in memory while the file is written
OWN = ("tokens", "cut", "reused")
LONGEST_LABEL = 160  # characters of a text on the map


class Params(TableParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet. Each row has one text.")
    text_column: str = param("Column with the texts", columns_of="source", min_length=1, max_length=1_000)
    format: Literal["parquet", "npy", "jsonl"] = param(
        "File",
        "Parquet and JSONL have the table's columns and the vectors; NPY has the vectors only, and comes with the rows as CSV.",
        default="parquet",
    )
    output_column: str = param(
        "Name of the new column", default="embedding", min_length=1, max_length=100, advanced=True
    )
    model: str = param("Model", "Empty: the configured model.", default="", advanced=True, max_length=200)
    batch_size: int = param("Texts per call", default=32, ge=1, le=256, unit="texts", advanced=True)
    output_dimensions: int | None = param(
        "Numbers per text",
        "Only the first ones, of models that are trained for it, such as text-embedding-3-small. Empty: all.",
        default=None,
        ge=8,
        le=16_000,
        advanced=True,
    )
    near_duplicates: float | None = param(
        "Near-duplicates from",
        "Lists texts that are at least so similar to an earlier one, as a file: 1 is the same, 0.95 nearly. Empty: none.",
        default=None,
        ge=0.5,
        le=1,
    )
    when: Literal["now", "day"] = batch_choice()
    ask_expired: bool = expired_choice()
    normalize: bool = param(
        "Vectors of length 1",
        "For most searches: cosine similarity is then a dot product.",
        default=True,
        advanced=True,
    )


def item_columns(params: Mapping[str, Any]) -> list[ItemColumn]:
    name = params.get("output_column") or "embedding"
    return [
        ItemColumn(f"{name}_tokens", "Tokens", "tokens"),
        ItemColumn(f"{name}_cut", "Cut off", "yes_no", facet=True),
        ItemColumn(f"{name}_reused", "Known before", "yes_no", facet=True),
    ]


class Result(KindResult):
    texts: int = figure("Texts", type="number", shown="never")
    dimension: int = figure("Numbers per text", type="number")
    length_1: bool = figure("Vectors of length 1", type="yes_no", shown="if_any")
    near_duplicates: int = figure("Near-duplicates", type="number", shown="if_any")
    not_embedded_again: int = figure("Known before", type="number", shown="if_any")
    cut_off: int = figure("Cut off", type="number", shown="if_any")
    model: str = figure("Model")


EXAMPLE = {"source": "sample:reviews.csv", "text_column": "review", "format": "parquet"}

RECIPES = (Recipe("Find near-duplicates", EXAMPLE | {"near_duplicates": 0.9}),)


def check(params: Params, find: Find) -> list[FieldError]:
    try:
        columns = find(params.source).table(params.reading).columns
    except BadInput as error:
        return [FieldError("source", error.message)]
    errors = []
    if params.text_column not in columns and not (_is_batch(params, columns) and batch_requests.is_batch(columns)):
        some = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
        errors.append(FieldError("text_column", f"There is no column “{params.text_column}”. There are: {some}."))
    taken = [name for name in (params.output_column, *_own(params)) if name in columns]
    if taken:
        errors.append(FieldError("output_column", f"There is a column “{taken[0]}” already. Choose another name."))
    try:
        embeddings.embedder(params.model)
    except JobFailed as error:
        errors.append(FieldError("model", error.message))
    if params.when == "day" and (sentence := _no_batches(params, columns)):
        errors.append(FieldError("when", sentence))
    return errors


def _no_batches(params: Params, columns: list[str]) -> str:
    if _is_batch(params, columns):
        return "A file of requests is answered at once. Choose now."
    if not embeddings.has_provider() or embeddings.embedder(params.model).built_in:
        return "The model that comes along costs nothing and answers at once. Choose now."
    return batch_error(params.model)


def estimate(params: Params, find: Find) -> Estimate:
    table = find(params.source).table(params.reading)
    if table.rows is None or not table.first:
        return Estimate(items=table.rows)
    tokens = sum(len(as_text(row.get(params.text_column))) for row in table.first) / 4 / len(table.first) * table.rows
    if embeddings.embedder(params.model).built_in:
        return Estimate(items=table.rows, seconds=round(1 + tokens / BUILT_IN_TOKENS_PER_SECOND, 1))
    calls = -(-table.rows // params.batch_size)
    return Estimate(table.rows, calls, round(tokens), round(calls * SECONDS_PER_CALL / batching.CALLS, 1))


def label(params: Params, find: Find) -> str:
    return find(params.source).name


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    source = context.open(params.source)
    table = source.table(params.reading)
    if _is_batch(params, table.columns):
        return _run_batch(params, context, source, began)
    model = context.once(
        "model", lambda: _model(params)
    )  # a later attempt uses the same model, even if the settings have changed
    tokens, cut, reused = _own(params)

    async def embed(row: dict[str, Any], made: batching.Vectors) -> Output:
        text = _text(row, params)
        if not text.strip():
            raise Skip(unknown_sentence(row, [params.text_column]) or "This row has no text.")
        vector = await made.of(text)
        came = {tokens: vector.tokens, cut: vector.cut, reused: vector.known}
        return Output(came, bill=made.bill(vector))

    def ask(looked_up: tuple[str, bool]) -> dict[str, Any]:
        text, known = looked_up
        if known or not text.strip():
            raise Skip("There is nothing to ask for.")
        return embeddings.request(model["model"], [text])

    texts, later = _looked_up(params, source.rows(params.reading), model["model"]), params.when == "day"
    batches = half_price(context, texts, ask, batch_requests.EMBEDDINGS_URL, live=params.ask_expired)
    with batches if later else nullcontext() as answers:
        made_by = model["model"], params.batch_size, model["dimension"], answers, context.allowance_check()
        making = batching.Vectors(*made_by)
        counts = context.map(
            embed,
            source.rows(params.reading),
            total=table.rows if table.exact else source.count(params.reading),
            concurrency=making.at_once,
            using=making,
            shared=not later,
        )
    view: dict[str, Any] = {}
    if counts.done:
        context.progress(note="Writing the file")
        _write(params, context, model, table.columns, counts.done)
        view = _view(params, context, model["model"], counts.done)
    same = _near_duplicates(params, context, model) if counts.done and params.near_duplicates else []
    return {
        "near_duplicates": len(same),
        "pairs": kit_vectors.as_table(same),
        "texts": counts.done,
        "model": model["model"],
        "dimension": model.get("kept", model["dimension"]),
        "length_1": params.normalize,
        "tokens": sum(context.used),
        "not_embedded_again": queue.count_by_value(context.job.job_id, reused).get("true", 0),
        "cut_off": queue.count_by_value(context.job.job_id, cut).get("true", 0),
        "seconds": round(time.monotonic() - began, 1),
        **view,
    }


def view(job: queue.JobView, query: Mapping[str, str]) -> dict[str, Any] | None:
    """The texts that are most like the one that was typed on the page; a child process compares."""
    return kit_vectors.nearest(job, job.params.get("text_column") or "", query.get("near", ""))


def _view(params: Params, context: Context, model: str, count: int) -> dict[str, Any]:
    """The map of the first texts, and those that are most alike."""
    rows = list(itertools.islice(_with_vectors(params, context, model), kit_vectors.MOST))
    if len(rows) < 3:
        return {}
    found = kit_vectors.look([row[params.output_column] for row in rows])
    texts = [_text(row, params)[:LONGEST_LABEL] for row in rows]
    points = [(text, up) for text, (_, up) in zip(texts, found.points, strict=True)]
    note = "Texts that say similar things are near each other." + (
        f" The first {len(rows):,} of {count:,}." if count > len(rows) else ""
    )
    pairs = [(texts[pair.one], texts[pair.other], round(pair.likeness, 4)) for pair in found.pairs]
    return {
        "map": Chart("dots", points, "Map of the texts", note=note, across=[across for across, _ in found.points]),
        "alike": Table(kit_vectors.ALIKE, pairs, "Most alike"),
    }


def _is_batch(params: Params, columns: list[str]) -> bool:
    """Whether each line is a request for embeddings, as OpenAI's batch files have them."""
    return params.text_column == batch_requests.INPUT and batch_requests.INPUT not in columns


def _run_batch(params: Params, context: Context, source: Input, began: float) -> dict[str, Any]:
    """Answer each request; each may name its own model."""
    total = context.once("requests", lambda: batch_requests.check_lines(source.rows(params.reading)))

    async def answer(row: dict[str, Any], models: batching.VectorsOfModels) -> Output:
        name, texts, packed = batch_requests.embeddings_request(row)
        vectors = await models.of(name or params.model, texts)
        numbers = [embeddings.unit(vector.numbers) if params.normalize else vector.numbers for vector in vectors]
        spent = sum(vector.tokens for vector in vectors)
        tokens = spent + sum(len(text) // 4 + 1 for text, vector in zip(texts, vectors, strict=True) if vector.known)
        body = batch_requests.embeddings_answer(name or models.usual, numbers, tokens, packed=packed)
        return Output({_own(params)[0]: spent, "response": body}, bill=models.bill(name or params.model, vectors))

    counts = context.map(
        answer,
        source.rows(params.reading),
        key=batch_requests.custom_id,
        row=lambda row: {"custom_id": batch_requests.custom_id(row)},
        total=total,
        concurrency=batching.BUILT_IN_WINDOW,
        using=batching.VectorsOfModels(params.model, params.batch_size, context.allowance_check()),
    )
    seconds = round(time.monotonic() - began, 1)
    return {
        "texts": counts.done,
        "model": params.model or embeddings.default_model(),
        "tokens": sum(context.used),
        "seconds": seconds,
    }


def _near_duplicates(params: Params, context: Context, model: dict[str, Any]) -> list[list[Any]]:
    """The rows that are nearly the same as an earlier one, also as a file."""
    context.progress(note="Comparing the texts")
    texts, places = [_text(row, params) for row in _done(params, context)], list(queue.places(context.job.job_id))
    numbers = (row[params.output_column] for row in _with_vectors(params, context, model["model"]))
    try:
        pairs = kit_vectors.pairs(texts, places, numbers, params.near_duplicates or 1)
    except OverflowError as count:
        context.log(f"Near-duplicates are not looked for: {count} texts are too many at once.", "warning")
        return []
    context.save("near-duplicates.csv", kit_vectors.as_csv(pairs), exports.FORMATS["csv"])
    return pairs


def _own(params: Params) -> list[str]:
    return [f"{params.output_column}_{name}" for name in OWN]


def _model(params: Params) -> dict[str, Any]:
    """The job's model and the dimension of its vectors."""
    embedder = embeddings.embedder(params.model)
    most = embedder.dimension
    return {"model": embedder.model, "dimension": most, "kept": min(params.output_dimensions or most, most)}


def _write(params: Params, context: Context, model: dict[str, Any], columns: list[str], count: int) -> None:
    """Save the file with the vectors, in constant memory."""
    stem = context.open(params.source).name.rsplit(".", 1)[0] or "texts"
    rows = _with_vectors(params, context, model["model"])
    with tempfile.TemporaryDirectory(prefix="legwork-vectors-") as folder:
        target = Path(folder) / "vectors"
        with target.open("wb") as opened:
            if params.format == "npy":
                opened.write(kit_vectors.npy_head(count, model.get("kept", model["dimension"])))
                opened.writelines(array("f", row[params.output_column]).tobytes() for row in rows)
            else:
                written = kit_vectors.as_json if params.format == "parquet" else kit_vectors.rounded
                shown = ({**row, params.output_column: written(row[params.output_column])} for row in rows)
                types = {params.output_column: exports.FLOATS}
                opened.writelines(exports.export(shown, [*columns, params.output_column], params.format, types))
        media_type = exports.FORMATS.get(params.format, "application/octet-stream")
        context.save(f"{stem} vectors.{params.format}", target, media_type)
        if params.format == "npy":
            with target.open("wb") as opened:
                opened.writelines(exports.export(_done(params, context), columns, "csv"))
            context.save(f"{stem} rows.csv", target, exports.FORMATS["csv"])


def _with_vectors(params: Params, context: Context, model: str) -> Iterator[dict[str, Any]]:
    done = _done(params, context)
    while some := list(itertools.islice(done, AT_ONCE)):
        context.check()
        hashes = [cache.digest(_text(row, params)) for row in some]
        known = cache.look(model, hashes)
        for row, digest in zip(some, hashes, strict=True):
            if digest not in known:
                raise JobFailed("A computed vector has been deleted. Run the job again.", reason="no_vector")
            vector = known[digest][: params.output_dimensions]
            yield row | {params.output_column: embeddings.unit(vector) if params.normalize else vector}


def _looked_up(params: Params, rows: Iterator[dict[str, Any]], model: str) -> Iterator[tuple[str, bool]]:
    """The text of each row, and whether its vector is known."""
    while some := [_text(row, params) for row in itertools.islice(rows, AT_ONCE)]:
        hashes = [cache.digest(text) for text in some]
        known = cache.known(model, hashes)
        yield from ((text, digest in known) for text, digest in zip(some, hashes, strict=True))


def _done(params: Params, context: Context) -> Iterator[dict[str, Any]]:
    """The rows that have a vector, in order."""
    rows = enumerate(context.open(params.source).rows(params.reading), start=1)
    for place in queue.places(context.job.job_id):
        yield next(row for at, row in rows if at == place)


def _text(row: dict[str, Any], params: Params) -> str:
    return as_text(as_shown(row).get(params.text_column)).encode(errors="replace").decode()
