"""The packages that kinds come from: our own, those of EXTRA_KINDS, and those that installed distributions name.

A distribution names a package in its entry point group `legwork.kinds`. Beside its kinds, a package may have `templates/` and
`samples/`.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from jobs.engine import settings

OWN = "jobs"
GROUP = "legwork.kinds"

log = logging.getLogger("legwork.kinds")


def installed_packages() -> dict[str, str]:
    """The packages of installed distributions that name some, with the name of their distribution."""
    found = {one.value: one.dist.name if one.dist else one.name for one in entry_points(group=GROUP)}
    return {package: found[package] for package in sorted(found)}


@cache
def extra_folders() -> tuple[Path, ...]:
    """The folders of all packages but our own, as far as they are there."""
    folders = []
    for package in (*settings.current().extra_kinds, *installed_packages()):
        try:
            spec = importlib.util.find_spec(package)
        except ImportError as error:
            log.warning("the package %s of kinds cannot be found: %s", package, error)
            continue
        folders += [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    return tuple(folders)
