"""The app object, for the server: `gunicorn --config webapp/gunicorn.py webapp.wsgi:app`."""

from __future__ import annotations

from webapp import create_app

app = create_app()
