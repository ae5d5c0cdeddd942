"""Say how long a secret is."""

from __future__ import annotations

from typing import Any, Literal

from jobs.engine.sdk import BadInput, Context, KindParams, Transient, param

TITLE = "Whisper"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()


class Params(KindParams):
    secret: str = param("Secret", default="", max_length=40, widget="secret")
    wrong: Literal["", "bad", "transient"] = param("How it goes wrong", default="")


EXAMPLE: dict[str, Any] = {"secret": "a little secret"}


def run(params: Params, context: Context) -> dict[str, Any]:
    context.log(f"It is {params.secret}.")
    if params.wrong == "bad":
        raise BadInput(f"{params.secret} is not right.")
    if params.wrong == "transient":
        raise Transient(f"{params.secret} is not there yet.")
    return {"length": len(params.secret), "said": params.secret}
