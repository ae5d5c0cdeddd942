"""The packages: pinned exactly, installed as pinned, and none in a version that is known to be bad.

`known_bad.toml` is our own short list, so that it can be asked without a network. pip-audit asks PyPI's list, where PyPI
answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {f"{name}.txt": f"{name}.lock" for name in ("requirements", "requirements-local", "requirements-ocr")}
LISTS = (*LOCKS, "requirements-models.txt", "requirements-telemetry.txt", "requirements-dev.txt")
KNOWN_BAD = Path(__file__).with_name("known_bad.toml")
ASK_SECONDS = 300
AUDITOR = "pip-audit==2.10.1"
APART = ROOT / ".venv-audit"


class Pin(NamedTuple):
    where: str
    requirement: Requirement


def installed() -> dict[str, str]:
    """The version of each distribution here, by its canonical name."""
    return {canonicalize_name(one.metadata["Name"]): one.version for one in metadata.distributions()}


def pins(root: Path = ROOT) -> list[Pin]:
    """The requirements of the lists, and those that the lock file adds: what they need in turn."""
    found = [pin for name in LISTS for pin in _listed(root, name)]
    named = {canonicalize_name(pin.requirement.name) for pin in found}
    locked = (pin for lock in LOCKS.values() for pin in _listed(root, lock))
    return found + [pin for pin in locked if canonicalize_name(pin.requirement.name) not in named]


def unlocked(root: Path = ROOT) -> Iterator[str]:
    """Requirements that their lock file does not have, or has in another version: `make lock` was not run."""
    for name, lock in LOCKS.items():
        locked = {
            canonicalize_name(one.requirement.name): str(one.requirement.specifier) for one in _listed(root, lock)
        }
        for where, requirement in _listed(root, name):
            if locked.get(canonicalize_name(requirement.name)) != str(requirement.specifier):
                yield f"{where}: {requirement} is not in {lock} in this version; run `make lock`"


def _listed(root: Path, name: str) -> Iterator[Pin]:
    """The requirements of one file that hold on this machine, without their hashes."""
    for number, line in enumerate((root / name).read_text().splitlines(), start=1):
        text = line.partition("#")[0].strip().rstrip("\\").strip()
        if text and not text.startswith(("-r ", "--hash")):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                yield Pin(f"{name}:{number}", requirement)


def unpinned(wanted: list[Pin], have: Mapping[str, str]) -> Iterator[str]:
    """What is not pinned to one version, not installed, or installed in another."""
    for where, requirement in wanted:
        [*specifiers] = requirement.specifier
        if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
            yield f"{where}: {requirement} is not pinned to one version"
            continue
        version = have.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{where}: {requirement} is not installed"
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"{where}: {requirement} is pinned, and {version} is installed"


def bad(have: Mapping[str, str], known: Path = KNOWN_BAD) -> Iterator[str]:
    """What is installed in a version that the list names, with the advisory."""
    for one in tomllib.loads(known.read_text())["bad"]:
        version = have.get(canonicalize_name(one["package"]))
        wrong = Requirement(f"{one['package']}{one['versions']}").specifier
        if version is not None and wrong.contains(version, prereleases=True):
            yield f"{one['package']} {version}: {one['advisory']}, {one['why']}"


def standing_on(wanted: list[Pin]) -> set[str]:
    """The canonical names of what the lists bring, what that needs, and so on: what runs in production."""
    waiting = [pin.requirement for pin in wanted if not pin.where.startswith("requirements-dev")]
    found: set[str] = set()
    asked: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in asked:
            continue
        asked.add((name, frozenset(requirement.extras)))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        extras = requirement.extras or {""}
        needed = map(Requirement, needs)
        waiting += [
            one
            for one in needed
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return found


def asked_online(names: set[str]) -> tuple[list[str], int]:
    """What pip-audit knows against the packages of these names, and of how many it was told anything at all."""
    ask = ["-m", "pip_audit", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    try:
        done = _run([_auditor(), *ask, "--path", sysconfig.get_path("purelib")])
        told = [one for one in json.loads(done.stdout)["dependencies"] if canonicalize_name(one["name"]) in names]
    except (OSError, subprocess.SubprocessError, ValueError):
        return [], 0
    known = [one for one in told if "vulns" in one]
    wrong = [f"{one['name']} {one['version']}: {found['id']}" for one in known for found in one["vulns"]]
    return wrong, len(known)


def _auditor() -> str:
    """The Python of pip-audit's own environment: what it brings along, defusedxml for one, changes what others do."""
    python, whole = str(APART / "bin" / "python"), APART / AUDITOR
    if not whole.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(APART)]).check_returncode()
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", AUDITOR]).check_returncode()
        whole.touch()
    return python


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_SECONDS)
