"""Signatures of webhooks, as standardwebhooks.com describes them: those that are sent, and those of a provider that come in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

PREFIX = "whsec_"
TOLERANCE = 300  # seconds that the sender's clock may differ, and that a request may be repeated


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header webhook-signature. Raises ValueError for a secret that is no base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else secret.encode()
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether somebody who knows the secret has sent this body within the last minutes. Names of headers are lower case."""
    try:
        timestamp = int(headers["webhook-timestamp"])
        expected = sign(secret, headers["webhook-id"], timestamp, body)
        if abs(time.time() - timestamp) > TOLERANCE:
            return False
        given = headers["webhook-signature"].encode()
    except (KeyError, ValueError, OverflowError, binascii.Error):
        return False
    return any(hmac.compare_digest(expected.encode(), one) for one in given.split())
