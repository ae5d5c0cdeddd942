"""Make a collection of the library searchable.

Each document is split into passages, and each passage gets an embedding, so that search finds meanings as well as words; titles,
names and meta are found too. Only changed documents are embedded again. Search uses the old index until the new one is complete.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from jobs.engine import library, queue
from jobs.engine.files import sample_path
from jobs.engine.library import indexing, prepared
from jobs.engine.llm import embeddings
from jobs.engine.llm.embeddings import batching
from jobs.engine.sdk import (
    Context,
    Counts,
    FieldError,
    Find,
    ItemColumn,
    JobFailed,
    KindParams,
    KindResult,
    Output,
    Skip,
    figure,
    param,
)

TITLE = "Index documents"
GROUP = "Files and documents"
WORDS = "search, rag, find, semantic, ask, chat, knowledge"
QUEUE = "io"
NEEDS = ("aiohttp", "onnxruntime", "tokenizers", "py3langid")
NOUN = ("document", "documents")
SPREAD = True
RESULT_TEMPLATE = "library/_indexed.html"

SAMPLES = "samples"  # an empty collection of this name is filled with sample documents
SAMPLE_FILES = ("shop-handbook.md",)
AT_ONCE = 8  # documents


class Params(KindParams):
    collection: str = param(
        "Collection", "The collection to make searchable.", default="library", min_length=1, max_length=100
    )
    rebuild: bool = param(
        "Index everything again",
        "Otherwise documents that have not changed keep their passages. Unchanged passages are not embedded again in any case.",
        default=False,
    )
    chunk_size: int = param("Words per passage", default=160, ge=20, le=2_000, unit="words", advanced=True)
    overlap: int = param(
        "Overlap of passages",
        "At most half of a passage.",
        default=30,
        ge=0,
        le=1_000,
        unit="words",
        advanced=True,
    )
    model: str = param("Model", "Empty: the configured model.", default="", advanced=True, max_length=200)


COLUMNS = (
    ItemColumn("title", "Document", "name", role="yours"),
    ItemColumn("status", "Outcome", "tag", words={"indexed": "Indexed", "unchanged": "Unchanged"}, facet=True),
    ItemColumn("passages", "Passages", "number"),
    ItemColumn("embedded", "Newly embedded", "number"),
    ItemColumn("document", "In the library", "document", role="yours"),
)


class Result(KindResult):
    collection: str = figure("Collection")
    received: int = figure("Documents", type="number", shown="never")
    indexed: int = figure("Indexed", type="number")
    unchanged: int = figure("Unchanged", type="number", shown="if_any")
    without_text: int = figure("Without text", type="number", shown="if_any")
    live: bool = figure("In use", type="yes_no", shown="never")
    passages: int = figure("Passages", type="number")
    dimension: int = figure("Numbers per passage", type="number", shown="asked")
    model: str = figure("Model")


EXAMPLE = {"collection": SAMPLES}


def check(params: Params, find: Find) -> list[FieldError]:
    errors = []
    if not params.collection.strip():
        errors.append(FieldError("collection", "Write the name of a collection."))
    if params.overlap * 2 > params.chunk_size:
        errors.append(FieldError("overlap", f"This must be at most {params.chunk_size // 2}, half of a passage."))
    try:
        embeddings.embedder(params.model)
    except JobFailed as error:
        errors.append(FieldError("model", error.message))
    return errors


def label(params: Params, find: Find) -> str:
    return params.collection.strip()


def run(params: Params, context: Context) -> dict[str, Any]:
    began, owner, collection = time.monotonic(), context.job.owner, params.collection.strip()
    if collection == SAMPLES:
        _fill(owner)
    total = library.count(owner, collection)
    if not total:
        raise JobFailed(f"There is no document in “{collection}”. Add some with “Process files”.", reason="empty")
    generation = indexing.unfinished(context.once("generation", lambda: _begin(params, context)))
    before = None if params.rebuild else indexing.previous(generation)

    async def index(document: library.Document, vectors: batching.Vectors) -> Output:
        whole = await batching.run_in_thread(lambda: library.document(document.id, owner, with_text=True))
        digest = prepared.digest(whole)
        if (
            before is not None
            and await batching.run_in_thread(lambda: indexing.digest_in(before.id, document.id)) == digest
        ):
            copied = await batching.run_in_thread(lambda: indexing.carry_over(before.id, generation.id, document.id))
            return Output({"status": "unchanged", "passages": copied, "embedded": 0})
        pieces = prepared.passages(whole, params.chunk_size, params.overlap)
        if not pieces:
            raise Skip("It has no text.")
        made = await asyncio.gather(*(vectors.of(piece.embedded) for piece in pieces))
        numbers = [embeddings.unit(one.numbers) for one in made]
        await batching.run_in_thread(lambda: indexing.put(generation.id, document.id, digest, pieces, numbers))
        new = sum(not one.known for one in made)
        return Output({"status": "indexed", "passages": len(pieces), "embedded": new}, bill=vectors.bill(*made))

    counts = context.map(
        index,
        library.each(owner, collection),
        key=lambda document: str(document.id),
        row=lambda document: {"document": str(document.id), "title": document.title},
        total=total,
        concurrency=AT_ONCE,
        using=batching.Vectors(generation.model, before=context.allowance_check()),
    )
    context.check()
    status = queue.count_by_value(context.job.job_id, "status")
    return {
        "collection": collection,
        "received": counts.done + counts.failed + counts.skipped,
        "indexed": status.get("indexed", 0),
        "unchanged": status.get("unchanged", 0),
        "without_text": counts.skipped,
        "failed": counts.failed,
        **_finish(context, generation, counts),
        "model": generation.model,
        "seconds": round(time.monotonic() - began, 1),
    }


def _fill(owner: str) -> None:
    """Add the sample documents to their collection."""
    if not library.count(owner, SAMPLES):
        for name in SAMPLE_FILES:
            text = sample_path(name).read_text("utf-8")
            library.add_text(owner, SAMPLES, name, text, name=name, media_type="text/markdown", source=f"sample:{name}")


def _begin(params: Params, context: Context) -> int:
    model = embeddings.embedder(params.model).model
    name = params.collection.strip()
    return indexing.begin(context.job.owner, name, model, params.chunk_size, params.overlap, context.job.job_id)


def _finish(
    context: Context,
    generation: library.Generation,
    counts: Counts,
) -> dict[str, Any]:
    """Make the new index live, unless this is a sample or no document was indexed; then the old one stays live."""
    dimension = indexing.dimension_of(generation.id)
    if context.job.sample or not counts.done or not dimension:
        indexing.discard(generation.id)
        context.log("The new index was discarded; search uses the previous one.")
        return {"live": False}
    if counts.failed:
        carried = indexing.carry_failed(generation, context.job.job_id)
        context.log(f"{counts.failed} documents could not be indexed; {carried} of them keep their previous passages.")
    context.progress(note="Making the new index live")
    return {"live": True, "passages": indexing.go_live(generation, dimension), "dimension": dimension}
