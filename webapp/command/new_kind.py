"""`legwork new kind NAME` writes a kind with a test; `legwork test kind NAME` runs its example on a real worker."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from jobs.engine import env_file, settings

TEMPLATES = Path(__file__).parent / "starters"
PACKAGE = "kinds"  # of kinds, in a folder that is no checkout of Legwork


@click.group()
def new() -> None:
    """Write the file of a new kind of job."""


@click.group()
def test() -> None:
    """Run the example of a kind."""


@new.command("kind")
@click.argument("name")
def new_kind(name: str) -> None:
    """Write a kind of job that works at once, and a test of it.

    NAME is a Python name in lower case, such as word_count. In a checkout of Legwork the files are jobs/NAME.py and
    tests/kinds/test_NAME.py; elsewhere kinds/NAME.py and tests/test_NAME.py, and EXTRA_KINDS=kinds in .env.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower() or name.startswith("_"):
        raise click.UsageError(f"{name!r} cannot be the name of a kind. Take a Python name in lower case: word_count.")
    package, tests = ("jobs", "tests/kinds") if _in_checkout() else (PACKAGE, "tests")
    file, test_file = Path(package, f"{name}.py"), Path(tests, f"test_{name}.py")
    for path in (file, test_file):
        if path.exists():
            raise click.UsageError(f"{path} exists already. Take another name, or delete it.")
    words = {"NAME": name, "TITLE": name.replace("_", " ").capitalize(), "PACKAGE": package}
    _write(file, "kind.txt", words)
    _write(test_file, "kind_test.txt", words)
    click.echo(f"{file} is a kind that works, and {test_file} a test of it.")
    if package == PACKAGE:
        Path(PACKAGE, "__init__.py").touch()
        _name_the_package()
    click.echo(f"See it: legwork run. Try its example on a worker: legwork test kind {name}.")


@test.command("kind")
@click.argument("name")
def test_kind(name: str) -> None:
    """Start Legwork with empty data, run the example of the kind NAME on a worker, and print what came out."""
    with tempfile.TemporaryDirectory(prefix="legwork-") as folder:
        own = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SMTP_URL", "PORT", "HOST"), "")
        Path(folder).chmod(0o711)  # a Postgres that root starts runs as somebody else
        environ = {**env_file.inherited(), **own, "DATA_DIR": f"{folder}/data"}
        command = [sys.executable, "-m", "webapp", "--demo", "--kinds", name]
        sys.exit(subprocess.run(command, env=environ, check=False).returncode)


def _in_checkout() -> bool:
    return Path("jobs/engine/sdk.py").is_file()


def _write(path: Path, template: str, words: dict[str, str]) -> None:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"«(\w+)»", lambda found: words[found[1]], text), encoding="utf-8")


def _name_the_package() -> None:
    """Let EXTRA_KINDS name the package, in .env unless it is set already."""
    if PACKAGE in settings.current().extra_kinds:
        return
    if settings.current().extra_kinds:
        click.echo(f"Add {PACKAGE} to EXTRA_KINDS: Legwork looks there for kinds.")
        return
    with Path(".env").open("a+", encoding="utf-8") as file:
        file.seek(0)
        before = file.read()
        file.write(("" if not before or before.endswith("\n") else "\n") + f"EXTRA_KINDS={PACKAGE}\n")
    click.echo(f"EXTRA_KINDS={PACKAGE} is in .env, where Legwork reads it.")
