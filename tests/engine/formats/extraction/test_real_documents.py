"""Real documents: the test files of packages that read or write them. How many give their text, and how many of their words.

The words of a file are what stands in its format's own elements, by the standard library alone. They are read here in this process,
not in a confined child each: starting 250 of those takes minutes.
"""

from __future__ import annotations

import email
import email.policy
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction import formats
from tests import source_distributions

Words = Counter[str]

PACKAGES = ("python-docx", "python-pptx", "odfpy", "python-calamine", "pypdf", "mail-parser", "trafilatura")
SUFFIXES = (".docx", ".pptx", ".odt", ".ods", ".odp", ".xlsx", ".xls", ".xlsb", ".pdf", ".html")
RIGHTLY_REFUSED = ("locked", "empty")
HANDLED = 0.99  # of all files
KEPT = {
    "docx": 0.99,
    "pptx": 0.99,
    "odt": 0.95,
    "odp": 0.98,
    "html": 0.95,
    "mail": 0.95,
    "pdf": 0.98,
}  # of the words of all files of a format
OWN_PARTS = {
    "docx": r"word/(document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml",
    "pptx": r"ppt/(slides/slide|notesSlides/notesSlide)\d+\.xml",
    "odt": r"content\.xml",
    "odp": r"content\.xml",
}
OLD = re.compile(r"(?s)<mc:Fallback\b.*?</mc:Fallback>|<w:(delText|instrText)\b.*?</w:\1>")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries, on odd files
def test_real_documents_are_read_with_their_words() -> None:
    failed, total, counts = [], Counter[str](), {name: [0, 0] for name in KEPT}
    for path in _documents():
        format = path.suffix.lower().lstrip(".") or "mail"
        total[format] += 1
        try:
            found = formats.reader(path, path.name)(path, path.name, False)
        except BadInput as error:
            failed += [] if error.reason in RIGHTLY_REFUSED else [f"{path.name}: {error.message}"]
            continue
        if format in KEPT:
            there = _own_words(path, format)
            counts[format][0] += sum((there & _words(found.text)).values())
            counts[format][1] += there.total()
    handled = 1 - len(failed) / total.total()
    kept = {name: round(some / max(of, 1), 4) for name, (some, of) in counts.items()}
    print(
        f"{total.total()} files {dict(total)}: {handled:.1%} handled; of {counts} words kept {kept}; not read: {failed}"
    )
    assert handled >= HANDLED, failed
    assert {name: share for name, share in kept.items() if share < KEPT[name]} == {}


def _documents() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted(source_distributions.folder(package).rglob("*")):
            is_mail = path.parent.name == "mails" and path.name.startswith("mail_test")
            if path.is_file() and (path.suffix.lower() in SUFFIXES or is_mail) and "fuzz" not in path.parts:
                yield path


def _words(text: str) -> Words:
    return Counter(re.findall(r"\w+", text.lower()))


def _own_words(path: Path, format: str) -> Words:
    if format == "html":
        return _words(_of_html(path.read_text("utf-8", "replace")))
    if format == "pdf":
        return _of_pdf(path)
    if format == "mail":
        return _of_mail(email.message_from_bytes(path.read_bytes(), policy=email.policy.default))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if re.fullmatch(OWN_PARTS[format], name)}
    return sum((_of_xml(data) for data in parts.values()), Words())


def _of_pdf(path: Path) -> Words:
    """The words as PDFium has them, in its own order."""
    document = pypdfium2.PdfDocument(path)
    words = sum((_words(page.get_textpage().get_text_bounded().replace("\ufffe", "")) for page in document), Words())
    document.close()
    return words


def _of_xml(data: bytes) -> Words:
    """The words of the paragraphs (w:p, a:p, text:p). A field's number of a slide is not one."""
    try:
        root = ElementTree.fromstring(OLD.sub("", data.decode("utf-8")))  # noqa: S314
    except (UnicodeDecodeError, ElementTree.ParseError):
        return Words()
    for placeholder in [one for one in root.iter() if str(one.tag).endswith("}sp")]:
        if re.search(rb'type="(sldNum|dt|sldImg)"', ElementTree.tostring(placeholder)):
            placeholder.clear()
    inner = [one for one in root.iter() if re.search(r"\}(p|h)$", str(one.tag))]
    nested = {below for one in inner for below in one.iter() if below is not one}
    return sum((_words(" ".join(_runs(one))) for one in inner if one not in nested), Words())


def _runs(paragraph: ElementTree.Element) -> Iterator[str]:
    """The pieces of a paragraph's text; those of one word are together."""
    text = ""
    for one in paragraph.iter():
        name = str(one.tag).rpartition("}")[2]
        text += " " if name in ("tab", "br", "p", "s", "line-break", "cr") else ""
        text += (one.text or "") if name == "t" or "opendocument" in str(one.tag) else ""
        text += (one.tail or "") if "opendocument" in str(one.tag) and one is not paragraph else ""
    yield text


class _Shown(HTMLParser):
    """The text of a page without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("script", "style", "title", "svg", "template")
        self.texts.append(" " if tag not in ("b", "i", "em", "strong", "span", "a", "u", "sup", "sub") else "")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style", "title", "svg", "template")

    def handle_data(self, data: str) -> None:
        self.texts.append("" if self.hidden > 0 else data)


def _of_html(html: str) -> str:
    shown = _Shown()
    shown.feed(html)
    return "".join(shown.texts)


def _of_mail(message: EmailMessage) -> Words:
    """The words of the body, and of attached texts."""
    part = message.get_body(("plain", "html"))
    if part is None:
        return Words()
    raw = part.get_payload(decode=True)
    text = (raw if isinstance(raw, bytes) else b"").decode(part.get_content_charset() or "utf-8", "replace")
    return _words(_of_html(text) if part.get_content_type() == "text/html" else text)


def test_the_comparison_itself() -> None:
    assert _words(_of_html("<p>One<b>two</b></p><script>no</script><td>three")) == Words({"onetwo": 1, "three": 1})
