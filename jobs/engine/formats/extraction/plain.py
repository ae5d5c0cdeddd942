"""Text, Markdown and pages of HTML."""

from __future__ import annotations

import re
import tempfile
from base64 import b64encode
from html import unescape
from pathlib import Path

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import charsets
from jobs.engine.formats.extraction.markup import by_pandoc
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted
from jobs.engine.formats.tables import detect
from jobs.engine.sandbox import sanitize_html

ACCEPTED = "PDF, DOCX, PPTX, XLSX, XLS, ODT, ODS, ODP, RTF, EPUB, HTML, mails (EML, MSG), notebooks (IPYNB), XML, pictures, text"
_TITLE = re.compile(r"<title\b[^>]*>([^<]*)", re.I)
_TAG_NAMES = """
    a abbr acronym address article aside b bdi bdo big blockquote body br caption center cite code col colgroup data dd del
    details dfn div dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd label legend li mark ol p pre q s samp
    section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr
"""
_TAGS = set(_TAG_NAMES.split())
_APART = re.compile(r"(?=</?(?:option|button|textarea|iframe|noscript|select|object|text|tspan|title)\b)", re.I)
_PARTS = re.compile(
    r"<(/?)(?:footer|nav|header|hgroup|form|main|menu|fieldset|dialog|search)\b", re.I
)  # pandoc drops some
_ATTRIBUTES = {
    **{"a": {"href"}, "img": {"alt", "src"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
    **{"col": {"span"}, "ol": {"start", "type"}, "q": {"cite"}},
}
_PARTS_TAGS = {"footer", "nav", "header", "hgroup", "form", "main", "menu", "fieldset"}
_FORMULA_TAGS = set(
    """
    math mi mo mn ms mtext mspace mrow mfrac msqrt mroot mstyle mpadded mphantom mfenced menclose msub msup msubsup munder mover
    munderover mmultiscripts mtable mtr mtd
    """.split()  # noqa: SIM905
)
_DRAWING = re.compile(r"<svg\b|</svg\s*>", re.I)
_SVG = 'xmlns="http://www.w3.org/2000/svg"'
_KEPT = {"id", "class", "lang", "dir", "title", "width", "height", "style", "align", "name"}
_SCHEMES = {"http", "https", "mailto", "tel", "ftp", "data", "cid"}
_HEADING = re.compile(r"^#{1,2}[ \t]+(.+)$", re.M)
_MARKDOWN = (".md", ".markdown", ".mkd")
_HEAD = 1_000_000


def read(path: Path, name: str, ocr: bool) -> Extracted:
    text = decoded(path, 4 * MOST_TEXT).replace("\r\n", "\n").replace("\r", "\n")
    if name.lower().endswith(_MARKDOWN):
        heading = _HEADING.search(text[:20_000])
        return Extracted("text/markdown", text, heading[1].rstrip(" \t#") if heading else "")
    return Extracted("text/plain", text)


def page(path: Path, name: str, ocr: bool) -> Extracted:
    title, text = of_html(decoded(path, 4 * MOST_TEXT, marked_up=True))
    return Extracted("text/html", text, title)


def of_html(html: str) -> tuple[str, str]:
    """The title and the text of a page. It is handed to pandoc as UTF-8, with all its tags closed, which is all that it reads."""
    title = _TITLE.search(html[:_HEAD])
    body = _cleaned(_PARTS.sub(r"<\1div", _APART.sub(" ", html)), _TAGS, _ATTRIBUTES)
    text = _by_pandoc(body) or _by_pandoc(html)  # of tags that are not of HTML, nothing may be left
    return (" ".join(unescape(title[1]).split()) if title else ""), text


def _by_pandoc(html: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8", errors="replace") as copy:
        copy.write(html)
        copy.flush()
        return by_pandoc(Path(copy.name), "html", tables="<table" in html.lower())[1]


def closed(html: str) -> str:
    """A page for pandoc: where cells, rows or items are left open, as HTML allows and pandoc does not, with all its tags closed."""
    opened, ended = (len(re.findall(rf"<{slash}(?:td|th|tr|li)\b", html, re.I)) for slash in ("", "/"))
    if opened == ended:
        return html
    title = _TITLE.search(html[:_HEAD])
    attributes = {tag: names | _KEPT for tag, names in _ATTRIBUTES.items()} | {"*": _KEPT}
    body = _cleaned(_with_pictures(html), _TAGS | _PARTS_TAGS | _FORMULA_TAGS, attributes)
    return f"<html><head><title>{title[1] if title else ''}</title></head><body>{body}</body></html>"


def _with_pictures(html: str) -> str:
    """The page with each drawing in it as a picture, which cleaning keeps. One that is left open stays as it is."""
    parts, at, begun = [], 0, None
    for mark in _DRAWING.finditer(html):
        if mark[0][1] != "/":
            begun = mark.start() if begun is None else begun
        elif begun is not None:
            parts += [html[at:begun], _as_picture(html[begun : mark.end()])]
            at, begun = mark.end(), None
    return "".join([*parts, html[at:]])


def _as_picture(svg: str) -> str:
    svg = svg if "xmlns=" in svg else f"{svg[:4]} {_SVG}{svg[4:]}"
    return f'<img alt="" src="data:image/svg+xml;base64,{b64encode(svg.encode(errors="replace")).decode()}">'


def _cleaned(html: str, tags: set[str], attributes: dict[str, set[str]]) -> str:
    """Well-formed HTML with these tags; as it was where so many are open at once that mending them takes too long."""
    import nh3

    try:
        sanitize_html.check(html)
    except BadInput:
        return html
    return nh3.clean(html, tags=tags, attributes=attributes, url_schemes=_SCHEMES, link_rel=None)


def decoded(path: Path, most: int, marked_up: bool = False) -> str:
    """The first `most` bytes as text. Raises BadInput for what is none. marked_up: a page may name its encoding."""
    with path.open("rb") as opened:
        data = opened.read(most)
    try:
        encoding = detect.encoding_of(data[:_HEAD], path)
        if marked_up and not detect.is_sure(encoding) and (label := charsets.declared(data)):
            return charsets.text_of(data, label)
        return data.decode(detect.codec(encoding), "replace")
    except (BadInput, LookupError) as error:
        said = f"This is not text, nor a format that is read here: {ACCEPTED}."
        raise BadInput(said, reason="unknown_type") from error
