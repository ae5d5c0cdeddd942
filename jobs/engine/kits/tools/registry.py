"""All tools, by name."""

from __future__ import annotations

from jobs.engine.errors import BadInput
from jobs.engine.kits.tools.base import Tool
from jobs.engine.kits.tools.calculator import CALCULATE
from jobs.engine.kits.tools.programs import RUN_COMMAND
from jobs.engine.kits.tools.reading import QUERY_TABLE, READ_DOCUMENT, SEARCH_LIBRARY
from jobs.engine.kits.tools.web import FETCH_PAGE
from jobs.engine.validation import nearest

TOOL_WORDS = {
    "search_library": "Search the library",
    "read_document": "Read a document",
    "query_table": "Query a table",
    "calculate": "Calculate",
    "fetch_page": "Fetch a page",
    "run_command": "Run a command",
}
TOOLS = {tool.name: tool for tool in (SEARCH_LIBRARY, READ_DOCUMENT, QUERY_TABLE, CALCULATE, FETCH_PAGE, RUN_COMMAND)}


def tool(name: object) -> Tool:
    """The tool of that name. Raises BadInput with the names of all tools, or the most similar one."""
    if isinstance(name, str) and name in TOOLS:
        return TOOLS[name]
    near = nearest(str(name), TOOLS)
    hint = f" Did you mean {near}?" if near else f" There are {', '.join(TOOLS)}."
    raise BadInput(f"There is no tool “{str(name)[:60]}”.{hint}", reason="no_tool")
