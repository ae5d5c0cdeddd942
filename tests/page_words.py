"""What a person reads on a page: its words without markup, and which of them are meant for machines."""

from __future__ import annotations

import re
from html.parser import HTMLParser

UNREAD = ("script", "style", "title", "pre", "code", "time")
MACHINE_WORDS = {
    "a key": re.compile(r"(?<![\w.@/-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w.@/-])", re.ASCII),
    "a media type": re.compile(r"\b(?:application|audio|image|message|text|video)/[a-z][\w.+-]+"),
    "JSON": re.compile(r"[{\[]\s*\""),
    "a bare float": re.compile(r"(?<![\d.])\d+\.\d{5,}"),
    "a null": re.compile(r"\b(?:None|null|NaN|undefined|True|False)\b"),
}

UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
PYTHON_VALUE = re.compile(r"(?<![\w.])(?:-?\d+\.0|\d[\d.]*e[-+]\d+|True|False|None)(?![\w.]|: | [a-z])")


def machine_words(html: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """The words of a page's main part that are meant for machines, each with what it is."""
    text = readable(html)
    found = [f"{what}: {word}" for what, pattern in MACHINE_WORDS.items() for word in pattern.findall(text)]
    return [one for one in found if not one.endswith(allowed)] if allowed else found


def python_values(html: str) -> list[str]:
    """The values on a form, or in a list of params, that stand there as Python writes them: 0.0, True, None, 1e-05."""
    texts = [*readable(html).splitlines(), *re.findall(r'<input[^>]* value="([^"]*)"', html)]
    texts = [UUID.sub("", text) for text in texts]  # 783e-8042 is no number
    return [text for text in texts if PYTHON_VALUE.search(text) and text != "None"]  # that is a choice


def readable(html: str) -> str:
    """The words of the main part, one piece a line."""
    reader = _Reader()
    reader.feed(html.partition("<main")[2].partition("</main>")[0])
    return "\n".join(reader.texts)


def things_linked(html: str) -> set[str]:
    """The addresses of files and documents that the page links to."""
    return set(re.findall(r'href="(/(?:files|library)/[^"?#]*)"', html.partition("<main")[2]))


def uneven_columns(html: str) -> list[str]:
    """The columns of the grid whose numbers have different decimals."""
    places: dict[str, set[int]] = {}
    for label, number in re.findall(r'<td class="n" data-l="([^"]*)">([+-]?[\d,]+(?:\.\d+)?)</td>', html):
        places.setdefault(label, set()).add(len(number.partition(".")[2]))
    return [label for label, decimals in places.items() if len(decimals) > 1]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in UNREAD

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in UNREAD

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._unread:
            self.texts.append(data.strip())
