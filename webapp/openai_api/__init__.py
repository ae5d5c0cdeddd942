"""OpenAI's wire format under /v1: chat completions, embeddings, models, files and batches."""

from __future__ import annotations

from flask import Blueprint

from webapp.openai_api import batches, completions, files, models, provider_events, wire

__all__ = ["batches", "completions", "files", "models"]  # each adds its routes to the blueprint of wire

PAGES: tuple[Blueprint, ...] = ()
API = (wire.blueprint, provider_events.blueprint)
