"""The provider that is set, the models that it lists, and whether it answers."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from jobs.engine import settings
from jobs.engine.errors import JobFailed

OPENAI = "https://api.openai.com/v1"
LIST_PATIENCE = 2  # seconds for the list: somebody waits for the form
LIST_SECONDS = 60  # how long the list is believed
REFUSED_KEY = "The provider refuses the key. Look at OPENAI_API_KEY."
NO_ANSWER = "The provider does not answer. Look at OPENAI_BASE_URL, and whether this machine may reach it."


def base_url() -> str:
    return settings.current().openai_base_url or OPENAI


def is_openai() -> bool:
    """Whether the provider is OpenAI itself."""
    return urlsplit(base_url()).hostname == "api.openai.com"


def default_model() -> str:
    return settings.current().model


def models() -> list[str]:
    """The models on offer, the default one first, and alone where the provider does not say."""
    current = settings.current()
    offered = listed(base_url(), current.openai_api_key)
    return list(dict.fromkeys([default_model(), *filter(current.allows_model, offered)]))


def chosen_model(name: str) -> str:
    """The model to ask, the default one if none is named. Raises JobFailed for one that MODELS_ALLOWED leaves out."""
    if name and not settings.current().allows_model(name):
        known = ", ".join(dict.fromkeys([default_model(), *settings.current().models_allowed]))
        raise JobFailed(f"The model “{name[:80]}” may not be used here. These may: {known}.", reason="no_model")
    return name or default_model()


def listed(url: str, key: str) -> tuple[str, ...]:
    """The provider's own list, asked for at most once a period; empty where it gives none."""
    return _listed(url, key, int(time.time() / LIST_SECONDS))


def provider_error() -> str:
    """Why the provider cannot be asked now, as a sentence; empty if it answers."""
    try:
        with urlopen(_request(base_url(), settings.current().openai_api_key), timeout=LIST_PATIENCE):  # noqa: S310
            return ""
    except HTTPError as error:
        error.close()
        return REFUSED_KEY if error.code in (401, 403) else failed(error.code)
    except (OSError, ValueError):
        return NO_ANSWER


def failed(status: int) -> str:
    return f"The provider answers with {status}. Try again later." if status >= 500 else ""


@lru_cache(maxsize=8)
def _listed(url: str, key: str, _: int) -> tuple[str, ...]:
    try:
        with urlopen(_request(url, key), timeout=LIST_PATIENCE) as answer:  # noqa: S310
            found = json.loads(answer.read(1_000_000))["data"]
            return tuple(str(model["id"]) for model in found)
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return ()


def _request(url: str, key: str) -> Request:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Request(f"{url.rstrip('/')}/models", headers=headers)  # noqa: S310 - settings.py lets only http and https through
