"""Wait for a job in a terminal: its progress on stderr, what came out into files, and how it ended as an exit code."""

from __future__ import annotations

import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import click

from jobs.engine.logs import escaped
from webapp.command.client import SiteClient

Job = dict[str, Any]

LOOK_SECONDS = 1.0
TABLES = (".csv", ".jsonl", ".xlsx", ".parquet")
EXIT_CODES = {"succeeded": 0, "failed": 1, "partial": 3, "cancelled": 4}
REFUSED, AWAY, INTERRUPTED = 5, 6, 130  # further exit codes; 2 is click's own for a wrong command
WORDS = {"cancelled": "stopped"}


def say(text: str) -> None:
    """A line on stderr: stdout has nothing but what a program may want to read."""
    click.echo(escaped(text), err=True)


def check_outputs(outs: tuple[Path, ...]) -> None:
    """Raise a usage error for a file whose format nobody knows, before anything is started."""
    for out in outs:
        if out.suffix.lower() not in (*TABLES, ".json"):
            raise click.UsageError(f"{out}: the name must end in {', '.join((*TABLES, '.json'))}.")
        if not out.absolute().parent.is_dir():
            raise click.UsageError(f"{out}: there is no such folder.")


def follow(server: SiteClient, job: Job, outs: tuple[Path, ...], save: Path | None) -> NoReturn:
    """Show progress until the job has ended, write its results, and exit with the code of its state."""
    job = _until_ended(server, job)
    done = _counts(job)
    sentence = f": {job['message']}" if job["message"] else "."
    say(f"{job['kind']} {WORDS.get(job['state'], job['state'])}{f', {done}' if done else ''}{sentence}")
    for out in outs:
        _write(server, job, out)
    if save:
        _save(server, job, save)
    sys.exit(EXIT_CODES.get(job["state"], 1))


def _until_ended(server: SiteClient, job: Job) -> Job:
    """The job as it has ended. Ctrl-C asks whether to stop it."""
    shown = ""
    while job["state"] not in EXIT_CODES:
        try:
            shown = _show(job, shown)
            time.sleep(LOOK_SECONDS)
            job = server.get(f"/jobs/{job['id']}")
        except KeyboardInterrupt:
            _interrupted(server, job)
    if shown and sys.stderr.isatty():
        click.echo("\r\x1b[2K", err=True, nl=False)
    return job


def _show(job: Job, shown: str) -> str:
    """One line, drawn over itself in a terminal; in a file a line for each state and each tenth. Returns what is shown."""
    progress = job["progress"]
    over = sum(progress[part] for part in ("done", "failed", "skipped", "unknown"))
    state = job["state"] if not job["waiting_for"] else job["waiting_for"]["sentence"]
    text = f"{job['kind']}: {state} {_counts(job)}".rstrip()
    if job["eta_seconds"] and job["state"] == "running":
        text += f", about {job['eta_seconds']:.0f} s left"
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{escaped(text)[:150]}", err=True, nl=False)
        return text
    step = f"{job['state']} {over * 10 // progress['total'] if progress['total'] else ''}"
    if step != shown:
        say(text)
    return step


def _counts(job: Job) -> str:
    progress = job["progress"]
    over = sum(progress[part] for part in ("done", "failed", "skipped", "unknown"))
    if not over:
        return ""
    failed = f", {progress['failed']:,} failed" if progress["failed"] else ""
    total = f" of {progress['total']:,}" if progress["total"] else ""
    return f"{over:,}{total}{failed}"


def _interrupted(server: SiteClient, job: Job) -> None:
    """Ask what Ctrl-C means; without a terminal, leave the job alone and end."""
    answer = "l"
    if sys.stdin.isatty():
        try:
            answer = click.prompt("\nStop the job (s), leave it running (l), or go on waiting (w)?", "l", err=True)
        except (click.Abort, KeyboardInterrupt):
            answer = "l"
    if answer.startswith("s"):
        server.post(f"/jobs/{job['id']}/cancel")
        say("The job was asked to stop. What it has done is kept.")
    elif not answer.startswith("w"):
        say(f"The job goes on. `legwork wait {job['id']}` waits for it, `legwork stop {job['id']}` stops it.")
        sys.exit(INTERRUPTED)


def _write(server: SiteClient, job: Job, out: Path) -> None:
    """The job's items as a table, or all of the job as JSON."""
    if out.suffix.lower() == ".json":
        server.download(f"/api/v1/jobs/{job['id']}", out)
    else:
        server.download(f"/jobs/{job['id']}/items{out.suffix.lower()}", out)
    say(f"Wrote {out}.")


def _save(server: SiteClient, job: Job, folder: Path) -> None:
    """The job's files, under names of their own in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for number, file in enumerate(job["files"], start=1):
        name = PurePosixPath(escaped(file["name"]).replace("\\", "/")).name.lstrip(".") or "file"
        name = f"{number}-{name}" if name in taken else name
        taken.add(name)
        server.download(file["url"], folder / name, file["sha256"])
        say(f"Saved {folder / name}.")
