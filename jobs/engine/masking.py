"""Masking of secrets: everything that a run writes has ••• in their place."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
LEAST = 4  # characters: shorter secrets occur in texts by chance


class SecretMasker:
    """Replaces the secrets of a run, also in their URL-encoded, JSON and base64 forms."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def add(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets if len(secret) >= LEAST for form in _forms(secret)}
        self._known = sorted({*self._known, *found}, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, MASK)
        return text

    def bytes(self, data: bytes) -> bytes:
        for secret in self._known:
            data = data.replace(secret.encode(), MASK.encode())
        return data

    def value(self, value: Any) -> Any:
        """A JSON value with the secrets in its strings and keys masked; the same object if there are no secrets."""
        if not self._known:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(name): self.value(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value


def _forms(secret: str) -> set[str]:
    plain = base64.b64encode(secret.encode()).decode().rstrip("=")
    written = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], plain, *written}
