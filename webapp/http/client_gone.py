"""Detect a disconnected client before the next write, by peeking at the server's socket."""

from __future__ import annotations

import select
import socket

from flask import request


def connection() -> socket.socket | None:
    """The connection of this request, where the server hands it over."""
    found = request.environ.get("gunicorn.socket")
    return found if isinstance(found, socket.socket) else None


def has_left(reader: socket.socket) -> bool:
    look = select.poll()  # select() takes no descriptor above 1023
    try:
        look.register(reader, select.POLLIN)
        return bool(look.poll(0)) and reader.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True
