"""Sanitises the HTML of mail for display: no scripts, no forms, no external resources."""

from __future__ import annotations

from functools import cache

from flask import Response

from webapp.http.guards import CONTENT_POLICY

PAGE_POLICY = f"{CONTENT_POLICY}; frame-src 'self'"
FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
_LOOKS = {
    "style",
    "align",
    "valign",
    "bgcolor",
    "width",
    "height",
    "border",
    "cellpadding",
    "cellspacing",
    "color",
    "dir",
}


def clean(html: str) -> str:
    """The sanitised HTML. External pictures are removed, because they would reveal that the mail was read."""
    import nh3

    return nh3.clean(
        html,
        attributes=_attributes(),
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto", "tel", "data"},
    )


DOCUMENT = (
    "<style>body{font:16px/1.5 sans-serif;color:#1d1b17;background:#fff;max-width:76ch;margin:24px auto;padding:0 16px}"
    "table{border-collapse:collapse}th,td{padding:4px 16px 4px 0;border-bottom:1px solid #ddd;text-align:left}"
    "img{max-width:100%}</style>"
)  # of a file, whose own sheet is taken out


def framed(html: str, look: str = "") -> Response:
    """A document for an iframe, whose policy blocks scripts and requests even if `clean` missed something."""
    body = f'<!doctype html><meta charset="utf-8"><title>Message</title>{look}{clean(html)}'
    response = Response(body, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@cache
def _attributes() -> dict[str, set[str]]:
    import nh3

    allowed = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    return allowed | {"*": allowed.get("*", set()) | _LOOKS}


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    if attribute in ("src", "srcset", "background", "poster"):
        return value if attribute == "src" and value.strip().lower().startswith("data:image/") else None
    if attribute == "href" and value.strip().lower().startswith("data:"):
        return None
    return value
