"""The file `.env`: settings for the programs that are started in its folder. Only they call this; nothing that is imported does."""

from __future__ import annotations

import os

from jobs.engine import settings
from jobs.engine.errors import SettingsError


def load_env_file() -> None:
    """Set the variables that the file .env of this folder has and the environment has not.

    FLASK_SKIP_DOTENV=1 turns it off, as it does for Flask's own command. Raises SettingsError if the file cannot be read.
    """
    from dotenv import dotenv_values  # at first use: few processes call this

    if os.environ.get("FLASK_SKIP_DOTENV", "").lower() not in ("", "0", "false", "no"):
        return
    try:
        found = dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file .env cannot be read: {error}.") from error
    of_a_server = ("LEGWORK_URL", "LEGWORK_TOKEN")  # a token of the environment never goes to an address of the file
    known = set(of_a_server) if any(name in os.environ for name in of_a_server) else set()
    for name, value in found.items():
        if value is not None and name not in known:
            os.environ.setdefault(name, value)
    settings.current.cache_clear()


def inherited() -> dict[str, str]:
    """The whole environment, for a program that is to have our settings."""
    return dict(os.environ)
