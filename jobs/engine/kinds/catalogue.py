"""The catalogue of kinds: those in the packages of kinds; a broken one is listed with the reason."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import cache
from typing import Any

from jobs.engine import kind_packages, settings
from jobs.engine.errors import NotFound, SettingsError
from jobs.engine.kinds import secrets, sources
from jobs.engine.kinds.definition import Kind, broken_kind, load, name_of

GROUPS = ("Text and AI", "Files and documents", "Data and numbers", "Mail")
QUEUES = ("io", "cpu", "mail")  # those of our own kinds; a kind may name another
LOOK_SECONDS = 0.3  # between two looks at the files of kinds


def kinds(*, hidden: bool = False) -> list[Kind]:
    """The kinds of the catalogue page, in its order; with `hidden` all kinds."""
    return [kind for kind in _found().values() if hidden or not kind.hidden]


def offered(name: str) -> Kind:
    """The kind of that name, if it is in the catalogue page. Raises NotFound."""
    found = kind(name)
    if found.hidden:
        raise NotFound(f"There is no kind of job called {name[:80]!r}.")
    return found


def kind(name: str) -> Kind:
    """The kind of that name, available or not. Raises NotFound. Never imports a module by a name from a request."""
    found = _found().get(name)
    if found is None:
        raise NotFound(f"There is no kind of job called {name[:80]!r}.")
    return found


def unavailable_reason(name: str) -> str | None:
    """Why this process cannot run jobs of that kind, as a sentence for people; None if it can."""
    try:
        found = kind(name)
    except NotFound:
        return "No worker here knows this kind of job. It will start when one does; otherwise, stop it."
    return None if found.available else f"The workers cannot run this kind of job now. {found.reason or ''}".strip()


def queues() -> tuple[str, ...]:
    """The names of all queues, in the workers' default order: the common ones, then others that kinds name."""
    return (*QUEUES, *sorted({kind.queue for kind in _found().values()} - {*QUEUES}))


def version() -> int:
    """A number that changes when kinds were read again: for what is made from them once."""
    _found()
    return _loaded().version


def _found() -> dict[str, Kind]:
    """The kinds by name, in the order of the catalogue page."""
    loaded = _loaded()
    if settings.current().reload_kinds:
        loaded.refresh()
    return loaded.kinds


@cache
def _loaded() -> _Catalogue:
    return _Catalogue()


class _Catalogue:
    """The kinds of this process. Where RELOAD_KINDS is 1 it looks, when it is asked, whether their files have changed."""

    def __init__(self) -> None:
        self.version = 0
        paths, broken = _paths()
        self._stamps = sources.stamps(paths) if settings.current().reload_kinds else {}
        self._looked = time.monotonic()
        self._looking = threading.Lock()
        self.kinds = _ordered([*map(load, paths), *broken])

    def refresh(self) -> None:
        """Read files again that have changed. A kind whose new file is broken goes on as it was, and says why."""
        if time.monotonic() - self._looked < LOOK_SECONDS or not self._looking.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            paths, broken = _paths()
            before, self._stamps = self._stamps, sources.stamps(paths)
            if before != self._stamps:
                changed = [path for path in paths if before.get(path) != self._stamps.get(path)]
                there = {path.rpartition(".")[2] for path in paths}
                kept = [
                    kind for name, kind in self.kinds.items() if name in there and name not in map(name_of, changed)
                ]
                self.kinds = _ordered([*kept, *map(self._again, changed), *broken])
                self.version += 1
        finally:
            self._looking.release()

    def _again(self, path: str) -> Kind:
        before, kind = self.kinds.get(name_of(path)), load(path, again=True)
        return (
            kind if kind.available or before is None or not before.available else replace(before, trouble=kind.reason)
        )


def _ordered(found: list[Kind]) -> dict[str, Kind]:
    order = {group: place for place, group in enumerate(GROUPS)}
    found.sort(key=lambda kind: (order.get(kind.group, len(order)), kind.title))
    return {kind.name: kind for kind in found}


def _paths() -> tuple[list[str], list[Kind]]:
    """The modules of all packages of kinds, and a broken kind for each package that is installed and cannot be imported."""
    paths, broken = [], []
    for package in (kind_packages.OWN, *settings.current().extra_kinds):
        try:
            paths += sources.modules_of(package)
        except ImportError as error:
            raise SettingsError(
                f"EXTRA_KINDS names {package!r}, which is not a package that can be imported."
            ) from error
    for package, distribution in kind_packages.installed_packages().items():
        try:
            paths += sources.modules_of(package)
        except ImportError as error:
            broken.append(
                broken_kind(package, f"{package} of the installed package {distribution} does not import: {error}")
            )
    return list(dict.fromkeys(paths)), broken


def shown_params(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """A job's params with the values of secret ones masked."""
    known = _found().get(name)
    return secrets.masked_params(known.Params, params) if known is not None and known.available else params


def secret_params(name: str) -> dict[str, str]:
    """The labels of a kind's secret params, by name."""
    known = _found().get(name)
    if known is None or not known.available:
        return {}
    return {
        secret: known.Params.model_fields[secret].title or secret
        for secret in sorted(secrets.secret_names(known.Params))
    }
