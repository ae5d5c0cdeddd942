"""The tools that read: `search_library`, `read_document`, `query_table`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.engine import jsonsafe, library
from jobs.engine.errors import BadInput, NotFound
from jobs.engine.files.inputs import Input
from jobs.engine.kinds.params import FileRef, TableFile, param
from jobs.engine.kits import sql as kits_sql
from jobs.engine.kits.tools.base import Arguments, Tool, ToolContext, ToolResult

MOST_ROWS = 1_000
MEMORY = 512 << 20
MOST_FILE = 20_000_000  # bytes of a text file
TEXTS = ("text/", "application/json", "application/x-ndjson")


class LibraryQuestion(Arguments):
    query: str = param("Query", min_length=1, max_length=2_000)
    collection: str | None = param("Collection", "Empty: all of them.", default=None, max_length=100)
    limit: int = param("Most passages", default=5, ge=1, le=50)


class Reading(Arguments):
    document: FileRef = param("Document", "The id of a document of the library, or of a text file.", widget="line")
    start: int = param("Start", "Number of characters to skip.", default=0, ge=0)
    characters: int = param("Characters", "Number of characters to read.", default=20_000, ge=1, le=1_000_000)


class Query(Arguments):
    files: list[TableFile] = param("Tables", "sales.csv is the table sales.", min_length=1, max_length=10)
    sql: str = param("SQL", "One SELECT.", widget="sql", min_length=1, max_length=20_000)
    limit: int = param("Most rows", default=100, ge=1, le=MOST_ROWS)


def _search(arguments: LibraryQuestion, reach: ToolContext) -> ToolResult:
    found = library.search(reach.owner, arguments.query, arguments.collection, arguments.limit)
    if not found:
        return ToolResult("Nothing was found.")
    results = [f"[{one.title}, document {one.document_id}, score {one.score}]\n{one.text}" for one in found]
    return ToolResult("\n\n".join(results))


def _read(arguments: Reading, reach: ToolContext) -> ToolResult:
    text = _document(arguments.document, reach)
    part = text[arguments.start : arguments.start + arguments.characters]
    left = len(text) - arguments.start - len(part)
    return ToolResult(f"{part}\n[{left:,} more characters]" if left > 0 else part)


def _document(ref: str, reach: ToolContext) -> str:
    try:
        return library.document(ref, reach.owner, with_text=True).text
    except NotFound:
        return _text(reach.open(ref))


def _text(file: Input) -> str:
    if not file.media_type.startswith(TEXTS):
        raise BadInput(
            f"{file.name} is not plain text. Index it first, then read it from the library.", reason="no_text"
        )
    if file.bytes > MOST_FILE:
        raise BadInput(f"{file.name} is too long; the limit is {MOST_FILE:,} bytes.", reason="too_large")
    with file.path() as path:
        return path.read_text("utf-8-sig", errors="replace")


def _query(arguments: Query, reach: ToolContext) -> ToolResult:
    limits = kits_sql.QueryLimits(rows=arguments.limit, seconds=reach.seconds, memory=MEMORY, threads=1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="legwork-query-", ignore_cleanup_errors=True)))
        files = [reach.open(ref) for ref in arguments.files]
        paths = [str(stack.enter_context(file.path())) for file in files]
        try:
            answer = kits_sql.answer(arguments.sql, _sources(files, paths), limits, folder, "jsonl", check=reach.check)
        except kits_sql.QueryEnded as error:  # ends the query, not the job
            raise BadInput(error.message, reason=error.reason) from None
        with answer.path.open(encoding="utf-8") as lines:
            rows = [jsonsafe.dumps(list(json.loads(line).values())) for line in lines]
    head = jsonsafe.dumps([column["name"] for column in answer.columns])
    return ToolResult("\n".join([head, *rows, *(["[there are more rows]"] if answer.more else [])]))


def _argument_error(arguments: Query, reach: ToolContext) -> str | None:
    """An error if the files are not tables. The SQL is not checked before it runs, because a list may have thousands."""
    try:
        _sources([reach.open(ref) for ref in arguments.files], [""] * len(arguments.files))
    except BadInput as error:
        return error.message
    return None


def _sources(files: list[Input], paths: list[str]) -> list[kits_sql.QuerySource]:
    names = kits_sql.table_names(file.name for file in files)
    tables = [file.table() for file in files]
    return [
        kits_sql.QuerySource(name, path, file.name, table.format, table.columns)
        for name, path, file, table in zip(names, paths, files, tables, strict=True)
    ]


EXAMPLE = {"files": ["sample:orders.csv"], "sql": "select count(*) from orders"}
SEARCH_LIBRARY = Tool(
    "search_library",
    "Search the passages of the library by meaning and words.",
    LibraryQuestion,
    _search,
    example={"query": "bread", "limit": 3},
)
READ_DOCUMENT = Tool(
    "read_document",
    "Read a document of the library, or a text file.",
    Reading,
    _read,
    example={"document": "sample:handbook.md", "characters": 500},
)
QUERY_TABLE = Tool("query_table", "Ask tables a question in SQL.", Query, _query, _argument_error, EXAMPLE)
