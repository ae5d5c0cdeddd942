"""/v1/models and /v1/embeddings."""

from __future__ import annotations

from flask import Response, jsonify

from jobs.engine import llm
from jobs.engine.errors import LegworkError
from webapp.http import parsing
from webapp.openai_api.wire import blueprint

MOST_TEXTS, MOST_TEXT_CHARACTERS = 256, 100_000  # of one request for embeddings


@blueprint.get("/models")
def models() -> Response:
    return jsonify(object="list", data=[_model(name) for name in llm.models()])


@blueprint.get("/models/<path:name>")
def model(name: str) -> Response:
    if name not in llm.models():
        raise LegworkError(f"There is no model {parsing.printable(name)!r} here.", reason="no_model")
    return jsonify(_model(name))


@blueprint.post("/embeddings")
def embed() -> Response:
    """Vectors of length 1, of the provider's model or of the one that comes along."""
    body = parsing.json_object()
    texts, form = body.get("input"), body.get("encoding_format") or "float"
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_TEXTS or not all(map(_is_text, texts)):
        raise parsing.invalid(
            "input", f"input must be a text, or a list of up to {MOST_TEXTS} texts that are not empty."
        )
    if form not in ("float", "base64") or not isinstance(body.get("model", ""), str):
        raise parsing.invalid("encoding_format", "encoding_format must be float or base64, and model a text.")
    model = body.get("model", "")
    vectors = llm.embed(texts, model)
    tokens = sum(len(text) // 4 + 1 for text in texts)
    answer = llm.batch_requests.embeddings_answer(model, vectors, tokens, packed=form == "base64")
    return jsonify(answer)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= MOST_TEXT_CHARACTERS


def _model(name: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": 0, "owned_by": llm.describe().host or "legwork"}
