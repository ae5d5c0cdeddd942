"""The tool `fetch_page`, which fetches a web page from the hosts that the job allows."""

from __future__ import annotations

from html.parser import HTMLParser

from jobs.engine.errors import BadInput
from jobs.engine.kinds.params import param
from jobs.engine.kits.tools.base import Arguments, Tool, ToolContext, ToolResult
from jobs.engine.sandbox import http, sanitize_html

TEXTS = ("text/", "application/json", "application/xml", "application/xhtml+xml")
UNSEEN = {"script", "style", "template", "noscript"}
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # the signatures of gzip and zstd
BREAKS = {"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "title"}


class WebPage(Arguments):
    url: str = param("Address", min_length=1, max_length=http.MOST_URL)


def _run(arguments: WebPage, reach: ToolContext) -> ToolResult:
    reply = http.get(arguments.url, reach.seconds, lambda host: _refuse(host, reach.hosts))
    if reply.status >= 400:
        raise BadInput(f"The server answered with status {reply.status}.", reason="no_page")
    if not reply.media_type.startswith(TEXTS):
        raise BadInput(f"The page is {reply.media_type[:80] or 'of no known type'}, not text.", reason="no_text")
    if reply.body.startswith(COMPRESSED):
        raise BadInput("The page is compressed, although the request did not allow it.", reason="no_text")
    text = reply.body.decode("utf-8", errors="replace")
    return ToolResult(_shown(text) if "html" in reply.media_type else text)


def _argument_error(arguments: WebPage, reach: ToolContext) -> str | None:
    try:
        _refuse(http.check(arguments.url).hostname or "", reach.hosts)
    except BadInput as error:
        return error.message
    return None


def _refuse(host: str, hosts: tuple[str, ...]) -> None:
    """Raise BadInput for a host that is neither on the list nor a subdomain of one."""
    if not any(host == one.lower() or host.endswith("." + one.lower()) for one in hosts):
        raise BadInput(f"This job is not allowed to call {host}. Add it to “Hosts”.", reason="host_not_allowed")


def _shown(html: str) -> str:
    reader = _PageReader()
    reader.feed(sanitize_html.sanitized(html, BREAKS, UNSEEN))
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.found).splitlines())
    return "\n".join(line for line in lines if line)


class _PageReader(HTMLParser):
    """The text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append("\n")

    def handle_data(self, data: str) -> None:
        self.found.append(data)


EXAMPLE = {"url": "https://example.org/"}
FETCH_PAGE = Tool("fetch_page", "Fetch a web page as text.", WebPage, _run, _argument_error, EXAMPLE)
