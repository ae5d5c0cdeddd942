"""Naps that several workers take at once."""

from __future__ import annotations

from tests.sample_kinds.nap import EXAMPLE, GROUP, NEEDS, NOUN, QUEUE, Params, run

__all__ = ["EXAMPLE", "GROUP", "NEEDS", "NOUN", "QUEUE", "SPREAD", "TITLE", "Params", "run"]

TITLE = "Wide nap"
SPREAD = True
