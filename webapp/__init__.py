"""The web side of Legwork: speaks HTTP, never does the work.

`webapp.app` makes the application. It is not imported with this package, so that the command `python -m webapp` starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app() -> Flask:
    """The application, for `flask --app webapp`."""
    made: Flask = import_module("webapp.app").create_app()
    return made
