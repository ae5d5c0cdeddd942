"""The site's secret key: SECRET_KEY, else one that is made once and kept in DATA_DIR. Other keys are derived from it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from jobs.engine import settings
from jobs.engine.settings import Settings


def secret_key() -> str:
    """The key; empty where SECRET_KEY is not set and the web process has not made one yet."""
    chosen = settings.current()
    try:
        return chosen.secret_key or _read(chosen.data_dir / "secret_key")
    except OSError:
        return ""


def made_secret_key(chosen: Settings) -> str:
    """The key, made where there is none; only its owner can read it. It survives a restart, and all web processes share it."""
    if chosen.secret_key:
        return chosen.secret_key
    path = chosen.data_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    return _read(path) or _make(path)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave a name without its key: secrets are encrypted with it
    try:
        if path.exists() and not _read(path):
            os.replace(draft, path)
        else:
            os.link(draft, path)  # atomic: the first of several processes wins
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text().strip()
