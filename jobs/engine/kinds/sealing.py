"""Encryption of secret params at rest, with a key derived from the site's secret key (HKDF, Fernet).

A row has the mask in place of a secret, and the secret itself as `<id of the key>:<token>` in its column `sealed`.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs.engine import settings
from jobs.engine.errors import Conflict
from jobs.engine.kinds import catalogue
from jobs.engine.kinds.definition import Kind
from jobs.engine.kinds.secrets import secret_names
from jobs.engine.masking import MASK
from jobs.engine.secret_key import made_secret_key, secret_key

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Sealed = dict[str, str]  # name of a secret param -> key id and token

GONE = "Its secret was deleted when it ended. Use its form again and enter the secret there."
_WRONG_KEY = (
    "The secret of this job cannot be read: it was encrypted with another SECRET_KEY. Use its form again and enter the secret; "
    "an operator who has the old key runs `python -m jobs rotate-secrets` first."
)


class SecretUnreadable(Conflict):
    """A secret param is not there any more, or its key is not."""

    reason = "secret_unreadable"


def sealed(kind: Kind, params: Mapping[str, Any]) -> tuple[dict[str, Any], Sealed | None]:
    """The params with the mask in place of each secret, and the secrets encrypted; None where there are none."""
    shown, found = split(kind, params)
    return shown, seal(found, made_secret_key(settings.current())) if found else None


def split(kind: Kind, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The params with the mask in place of each secret, and the secrets."""
    found = _given(kind, params)
    return {**params, **dict.fromkeys(found, MASK)}, found


def opened(kind: Kind, params: Mapping[str, Any], sealed: Sealed | None) -> dict[str, Any]:
    """The params with their secrets. Raises SecretUnreadable."""
    whole = {**params, **(unseal(sealed, secret_key()) if sealed else {})}
    if lacking(kind, whole):
        raise SecretUnreadable(GONE)
    return whole


def lacking(kind: Kind, params: Mapping[str, Any]) -> list[str]:
    """The names of the secrets that have only the mask left."""
    return sorted(name for name in (secret_names(kind.Params) if kind.available else ()) if params.get(name) == MASK)


def digested(kind_name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The params with a keyed digest in place of each secret: to compare them, not to guess them."""
    hidden = _given(catalogue.kind(kind_name), params)
    key = made_secret_key(settings.current()).encode() if hidden else b""
    digest = {
        name: hmac.digest(key, value.encode("utf-8", "replace"), "sha256").hex() for name, value in hidden.items()
    }
    return {**params, **digest}


def _given(kind: Kind, params: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that are there; none for a kind that cannot be loaded."""
    names = secret_names(kind.Params) if kind.available else set()
    return {name: value for name in names if isinstance(value := params.get(name), str) and value not in ("", MASK)}


def seal(secrets: Mapping[str, str], key: str) -> Sealed:
    key_id, fernet = _cipher(key)
    return {name: f"{key_id}:{fernet.encrypt(value.encode()).decode()}" for name, value in secrets.items()}


def unseal(sealed: Sealed, key: str) -> dict[str, str]:
    """The secrets. Raises SecretUnreadable if they were encrypted with another key."""
    from cryptography.fernet import InvalidToken

    _, fernet = _cipher(key)
    try:
        if not is_under(sealed, key):
            raise InvalidToken
        return {name: fernet.decrypt(token.partition(":")[2]).decode() for name, token in sealed.items()}
    except InvalidToken:
        raise SecretUnreadable(_WRONG_KEY) from None


def is_under(sealed: Sealed, key: str) -> bool:
    """Whether these secrets were encrypted with this key."""
    return bool(key) and all(token.startswith(f"{_cipher(key)[0]}:") for token in sealed.values())


def _cipher(key: str) -> tuple[str, Fernet]:
    """The id of a key, which says which one a token needs, and its cipher."""
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 40, salt=None, info=b"legwork secret params").derive(key.encode())
    return derived[32:].hex(), Fernet(base64.urlsafe_b64encode(derived[:32]))
