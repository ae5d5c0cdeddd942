"""OpenAI's wire format under /v1: chat completions, embeddings, models, files and batches."""

from __future__ import annotations

from flask import Blueprint

from webapp.openai_api import completions, models, wire

__all__ = ["completions", "models"]  # each adds its routes to the blueprint of wire

PAGES: tuple[Blueprint, ...] = ()
API = (wire.blueprint,)
