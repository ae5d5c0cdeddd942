"""Named filters of the list of jobs, stored in a cookie."""

from __future__ import annotations

import json
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from flask import request
from werkzeug.wrappers import Response

COOKIE = "views"
A_YEAR = 365 * 86400
MOST = 8
LONGEST = 40

Views = dict[str, str]  # name -> query
Answer = TypeVar("Answer", bound=Response)


def kept() -> Views:
    """The saved views. The cookie is untrusted; entries that are not valid are left out."""
    try:
        found = json.loads(request.cookies.get(COOKIE, "{}"))
    except (ValueError, RecursionError):
        return {}
    views = found.items() if isinstance(found, dict) else ()
    return {
        name[:LONGEST]: urlencode(parse_qsl(query))
        for name, query in list(views)[:MOST]
        if isinstance(query, str) and len(query) < 400
    }


def with_(name: str, query: str) -> Views:
    """The views with another one, newest last; the oldest is dropped if there are too many."""
    name = " ".join(name.split())[:LONGEST]
    views = without(name) | ({name: query} if name and query else {})
    return dict(list(views.items())[-MOST:])


def without(name: str) -> Views:
    return {known: query for known, query in kept().items() if known != name}


def keep(response: Answer, views: Views) -> Answer:
    response.set_cookie(COOKIE, json.dumps(views), max_age=A_YEAR, samesite="Lax", httponly=True)
    return response
