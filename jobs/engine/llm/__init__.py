"""Language models: chat, streams, structured answers, embeddings."""

from __future__ import annotations

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.llm import batch_requests, json_schema
from jobs.engine.llm.budget import Budget, about_tokens, most_tokens, request_bytes
from jobs.engine.llm.client import Chat, describe
from jobs.engine.llm.cost_estimate import bill_of, measured
from jobs.engine.llm.embeddings.warm_child import embed
from jobs.engine.llm.model_list import default_model
from jobs.engine.llm.prices import Rates, cost
from jobs.engine.llm.provider_batches import batch_error
from jobs.engine.llm.providers import ABILITIES, Connection, forget, made, models, named, saved_from, setup_error
from jobs.engine.llm.responses import LONGEST_ANSWER, Completion
from jobs.engine.llm.router import open_client, stream_chat
from jobs.engine.llm.stream import StreamStopped
from jobs.engine.llm.strict_schema import response_format

__all__ = [
    "ABILITIES",
    "LONGEST_ANSWER",
    "Bill",
    "Budget",
    "CallUsage",
    "Chat",
    "Completion",
    "Connection",
    "Rates",
    "StreamStopped",
    "about_tokens",
    "batch_error",
    "batch_requests",
    "bill_of",
    "cost",
    "default_model",
    "describe",
    "embed",
    "forget",
    "json_schema",
    "made",
    "measured",
    "models",
    "most_tokens",
    "named",
    "open_client",
    "request_bytes",
    "response_format",
    "saved_from",
    "setup_error",
    "stream_chat",
]
