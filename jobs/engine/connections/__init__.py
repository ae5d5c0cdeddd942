"""Connections that admins added: providers of models, with their keys encrypted. `offer` lets `llm` ask them."""

from __future__ import annotations

from jobs.engine import llm
from jobs.engine.connections.saved import all_saved, read, remove, save

__all__ = ["all_saved", "offer", "read", "remove", "save"]


def offer() -> None:
    """Let models of these connections be asked in this process."""
    llm.saved_from(read)
