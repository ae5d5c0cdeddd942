"""The page where admins add providers of models."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import connections, llm
from jobs.engine.errors import BadInput, FieldError, InvalidParams
from webapp.http import identity
from webapp.http.identity import admins

blueprint = Blueprint("connections", __name__, url_prefix="/connections")
KINDS = {"openai": "API of OpenAI, or a server that speaks it", "anthropic": "API of Anthropic"}


@blueprint.record_once
def _offer(_: object) -> None:
    connections.offer()


@blueprint.get("")
@admins
def index() -> str:
    return _page()


@blueprint.post("")
@admins
def save() -> ResponseReturnValue:
    """Add one, or change the one of that name."""
    try:
        connections.save(_given(), by=identity.current_owner(), address=identity.address())
    except BadInput as error:
        return _page([error.message]), 422
    except InvalidParams as error:
        return _page([one.message for one in error.errors]), 422
    return redirect("/connections", 303)


@blueprint.post("/<name>/remove")
@admins
def remove(name: str) -> ResponseReturnValue:
    connections.remove(name, by=identity.current_owner(), address=identity.address())
    return redirect("/connections", 303)


def _given() -> dict[str, Any]:
    form = request.form
    given: dict[str, Any] = {
        name: form.get(name, "").strip() for name in ("name", "kind", "address", "key", "fallback")
    }
    given["models"] = [one.strip() for one in form.get("models", "").replace(",", "\n").splitlines() if one.strip()]
    given["can"] = form.getlist("can") or ["chat"]
    per_minute, prices = form.get("requests_per_minute", "").strip(), form.get("prices", "").strip()
    given["requests_per_minute"] = int(per_minute) if per_minute.isdecimal() and 0 < int(per_minute) < 10**9 else None
    if per_minute and given["requests_per_minute"] is None:
        raise InvalidParams([FieldError("requests_per_minute", "Calls per minute must be a whole number, or empty.")])
    try:
        given["prices"] = json.loads(prices) if prices else {}
    except ValueError:
        raise InvalidParams([FieldError("prices", "The prices are not valid JSON.")]) from None
    return given


def _page(errors: list[str] | None = None) -> str:
    return render_template(
        "accounts/connections.html",
        saved=connections.all_saved(),
        named=llm.named().values(),
        errors=errors or [],
        given=request.form if errors else {},
        kinds=KINDS,
        abilities=llm.ABILITIES,
        default=llm.describe(),
    )
