"""The app object, for the server: `gunicorn --config python:webapp.gunicorn webapp.wsgi:app`."""

from __future__ import annotations

import gc

THRESHOLD = 20_000  # objects that are new; a page makes some thousand, and Python's 700 have it look three times a page

gc.disable()  # looking for garbage among what is imported, and stays, takes a tenth of the time to start

from webapp.app import create_app  # noqa: E402
from webapp.http import tracing  # noqa: E402
from webapp.http.request_body import Incoming  # noqa: E402

app = create_app()
tracing.follow(app)
app.wsgi_app = Incoming(app.wsgi_app)  # type: ignore[method-assign]
gc.freeze()
gc.set_threshold(THRESHOLD)
gc.enable()
