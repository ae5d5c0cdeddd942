"""Sanitise untrusted HTML before parsing: html.parser takes quadratic time on malformed input."""

from __future__ import annotations

import re
from collections import Counter

from jobs.engine.errors import BadInput

MOST_OPEN = 500  # tags at a time; repairing nested tags is quadratic in this
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_CLOSE_THEMSELVES = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
    *("p", "li", "dt", "dd", "tr", "td", "th", "option"),
}


def check(html: str) -> None:
    """Raise BadInput where more than MOST_OPEN tags are open at once."""
    opened: Counter[str] = Counter()
    count = 0
    for slash, written in _TAG.findall(html):
        tag = written.lower()
        if tag in _CLOSE_THEMSELVES:
            continue
        if not slash:
            opened[tag] += 1
            count += 1
        elif opened[tag]:
            opened[tag] -= 1
            count -= 1
        if count > MOST_OPEN:
            message = f"The HTML has more than {MOST_OPEN} tags open at once. Close each where it ends."
            raise BadInput(message, reason="html_too_deep")


def sanitized(html: str, keep: set[str], drop: set[str]) -> str:
    """Well-formed HTML with the tags of `keep` only; those of `drop` are removed with their content. Raises as `check`."""
    import nh3

    check(html)
    return nh3.clean(html, tags=keep, clean_content_tags=drop, attributes={"a": {"href"}} if "a" in keep else {})
