"""The site's secret key: SECRET_KEY, else one that is made once and kept in DATA_DIR. Other keys are derived from it."""

from __future__ import annotations

import os
import secrets

from jobs.engine import settings
from jobs.engine.settings import Settings


def secret_key() -> str:
    """The key; empty where SECRET_KEY is not set and the web process has not made one yet."""
    chosen = settings.current()
    try:
        return chosen.secret_key or (chosen.data_dir / "secret_key").read_text().strip()
    except OSError:
        return ""


def made_secret_key(chosen: Settings) -> str:
    """The key, made where there is none; only its owner can read it. It survives a restart, and all web processes share it."""
    if chosen.secret_key:
        return chosen.secret_key
    path = chosen.data_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
    try:
        os.link(draft, path)  # atomic: the first of several processes wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
