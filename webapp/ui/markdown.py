"""Renders untrusted Markdown as safe HTML: no raw HTML, images or scripts; URLs only in links."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

if TYPE_CHECKING:  # the parser is loaded with the first text, not with the web process
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

LEAST_SECONDS = 0.1  # between two renderings of a growing text
SHARE = 20  # minimum pause as a multiple of the last rendering's duration
LONGEST_PARAGRAPH = 20_000  # characters
MOST_BRACKETS = 500  # the parser searches for each one's counterpart
PAUSE_EACH = 100  # blocks

_TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h4", "h5", "h6"} | {
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title", "class"}, "ol": {"start"}, "code": {"class"}}
_CITE = re.compile(r"\[(\d{1,2})\]")


class Section(NamedTuple):
    """The HTML of the text between two offsets."""

    start: int
    end: int
    html: str


@lru_cache(maxsize=200)
def render(text: str, cites: int = 0, name: str = "") -> Markup:
    """Safe HTML. `[1]` to `[cites]` become links to the passages of the answer `name`."""
    return Markup(_html(_parser().parse(text), cites, name))  # noqa: S704 - cleaned by nh3


class Painter:
    """Renders a growing text repeatedly, each time only its last block."""

    def __init__(self, cites: int = 0, name: str = "") -> None:
        self.settled = 0  # the offset of the block that may still change
        self.painted = 0
        self._cites, self._name = cites, name
        self._next = 0.0

    def due_in(self, length: int) -> float | None:
        """Seconds until the text should be rendered again; None if it has not grown."""
        return None if length <= self.painted else max(0.0, self._next - time.monotonic())

    def paint(self, text: str) -> Iterator[Section]:
        """The sections that changed, given the text from `settled` on."""
        began = time.monotonic()
        tokens = _parser().parse(text)
        last, place = _last_block(tokens, text)
        end = self.settled + len(text)
        if place:
            yield self._section(tokens[:last], self.settled, self.settled + place)
            self.settled += place
        yield self._section(tokens[last:], self.settled, end)
        self.painted = end
        self._next = time.monotonic() + max(LEAST_SECONDS, SHARE * (time.monotonic() - began))

    def _section(self, tokens: list[Token], start: int, end: int) -> Section:
        return Section(start, end, _html(tokens, self._cites, self._name))


def _last_block(tokens: list[Token], text: str) -> tuple[int, int]:
    """The index of the token that opens the last block, and the offset of its first line."""
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.level == 0 and token.nesting >= 0 and token.map:
            return index, _offset(text, token.map[0])
    return 0, 0


def _offset(text: str, line: int) -> int:
    place = 0
    for _ in range(line):
        place = text.index("\n", place) + 1
    return place


def _html(tokens: list[Token], cites: int, name: str) -> str:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, max(4, int(token.tag[1]) + 3))}"  # below the headings of the page
    html = _parser().renderer.render(tokens, _parser().options, {"cites": cites, "name": name})
    import nh3

    return nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, link_rel="noopener noreferrer nofollow")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "breaks": True}).disable("image")
    parser.core.ruler.at("inline", _inline)
    parser.renderer.rules["text"] = _text  # type: ignore[attr-defined]
    return parser


def _inline(state: StateCore) -> None:
    """markdown-it's rule with two changes: a very long paragraph stays plain text, because some take quadratic time; and
    other greenlets run in between."""
    for number, token in enumerate(state.tokens):
        if token.type == "inline":
            token.children = [type(token)("text", "", 0, content=token.content)]
            if len(token.content) <= LONGEST_PARAGRAPH and token.content.count("[") <= MOST_BRACKETS:
                token.children.clear()
                state.md.inline.parse(token.content, state.md, state.env, token.children)
        if number % PAUSE_EACH == PAUSE_EACH - 1:
            time.sleep(0)


def _text(tokens: list[Token], index: int, _: object, env: dict[str, Any]) -> str:
    """Text, with citation numbers as links to the passages."""
    plain = str(escape(tokens[index].content))
    return _CITE.sub(lambda found: _cite(found, env), plain) if env["cites"] else plain


def _cite(found: re.Match[str], env: dict[str, Any]) -> str:
    number = int(found[1])
    if not 1 <= number <= env["cites"]:
        return found[0]
    return f'<a class="cite" href="#cite-{env["name"]}-{number}">[{number}]</a>'
