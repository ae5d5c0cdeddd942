"""`legwork submit`, `jobs`, `wait` and `stop`: use a running Legwork from a terminal or a script."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import click

from jobs.engine import settings
from webapp.command.client import RequestRefused, ServerAway, SiteClient
from webapp.command.following import AWAY, REFUSED, check_outputs, follow, say
from webapp.command.options import Param, option_name, params_of
from webapp.demo import table

REFERENCE = re.compile(r"sample:.+|(job:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CODES = """\b
Exit codes: 0 succeeded, 1 failed, 2 wrong command, 3 partial (some items failed), 4 stopped, 5 refused by the server,
6 the server does not answer, 130 interrupted (the job goes on)."""

URL_HELP = "The server's address; also LEGWORK_URL. Default: this machine."
TOKEN_HELP = "A token of your account; better in LEGWORK_TOKEN, which other users of this machine cannot see."  # noqa: S105

Command = Callable[..., Any]


def _of_a_server(command: Command) -> Command:
    """The options that say which server is meant; the command gets it as its first argument."""

    @click.option("--url", envvar="LEGWORK_URL", default="", is_eager=True, help=URL_HELP)
    @click.option("--token", envvar="LEGWORK_TOKEN", default="", is_eager=True, help=TOKEN_HELP)
    @wraps(command)
    def with_server(url: str, token: str, **options: Any) -> Any:
        with _in_words():
            return command(_at(url, token), **options)

    return with_server


def _at(url: str, token: str) -> SiteClient:
    return SiteClient(url or f"http://127.0.0.1:{settings.current().port}", token)


@contextmanager
def _in_words() -> Iterator[None]:
    """What the server says no to, on stderr and as an exit code."""
    try:
        yield
    except RequestRefused as error:
        for field, message in error.fields.items():
            name, dot, rest = field.partition(".")
            say(f"{option_name(name) if name else 'The form'}{dot}{rest}: {message}")
        if not error.fields:
            say(error.message)
        sys.exit(REFUSED)
    except ServerAway as error:
        say(error.message)
        sys.exit(AWAY)


class _Kinds(click.Group):
    """The kinds of the server as commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, server_options_first(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [kind["name"] for kind in _server(ctx).get("/kinds")["kinds"] if kind["available"]]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        with _in_words():
            return _command(_server(ctx), _server(ctx).get(f"/kinds/{cmd_name}"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with _in_words():
            kinds = _server(ctx).get("/kinds")["kinds"]
        with formatter.section("Kinds"):
            formatter.write_dl([(kind["name"], kind["summary"]) for kind in kinds if kind["available"]])


def server_options_first(args: list[str]) -> list[str]:
    """`KIND --url ADDRESS` as `--url ADDRESS KIND`: the server is asked what options the kind has."""
    first: list[str] = []
    others: list[str] = []
    words = iter(args)
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("--url", "--token"):
            others.append(word)
        else:
            first += [word] if value else [word, *islice(words, 1)]
    return first + others


def _server(ctx: click.Context) -> SiteClient:
    """The server that is meant, also while `--help` is shown, before all options are read."""
    given = {one.name: ctx.params.get(one.name or "") or one.consume_value(ctx, {})[0] for one in ctx.command.params}
    return _at(str(given["url"] or ""), str(given["token"] or ""))


@click.group("submit", cls=_Kinds, epilog=CODES, subcommand_metavar="KIND [OPTIONS]...")
@_of_a_server
def submit(server: SiteClient) -> None:
    """Start a job of a kind. `legwork submit KIND --help` has the options of its form.

    A file is a path, which is uploaded, the id of an earlier upload or output, `job:` and the id of a job (its rows), or
    `sample:` and the name of a sample. The job's id goes to stdout, everything else to stderr.
    """


def _command(server: SiteClient, kind: dict[str, Any]) -> click.Command:
    if not kind["available"]:
        raise RequestRefused(kind["reason"], 409, {})
    params = params_of(kind["schema"])

    def call(**options: Any) -> None:
        with _in_words():
            _submit(server, kind["name"], params, options)

    every = [one.option for one in params] + _own_options()
    return click.Command(kind["name"], callback=call, params=every, help=kind["text"], epilog=CODES)  # type: ignore[arg-type]


def _own_options() -> list[click.Option]:
    path = click.Path(path_type=Path)
    return [
        click.Option(["--params"], type=click.File("rb"), help="A JSON file with params; other options win. - is stdin."),
        click.Option(["--sample"], type=int, help="Take only the first N items."),
        click.Option(["--run-at"], help="Do not start before this time (RFC 3339)."),
        click.Option(["--notify-mail"], help="Write to this address when the job has ended."),
        click.Option(["--notify-webhook"], help="Send a signed request there when the job has ended."),
        click.Option(["--idempotency-key"], help="The same key with the same params is the same job."),
        click.Option(["--wait"], is_flag=True, help="Show progress until the job has ended."),
        click.Option(["--out"], type=path, multiple=True, help="Wait, and write the items as CSV, JSONL, XLSX or Parquet."),
        click.Option(["--save"], type=path, help="Wait, and save the job's files in this folder."),
        click.Option(["--resume"], metavar="ID", help="Start nothing: wait for the job with this id."),
    ]  # fmt: skip


def _submit(server: SiteClient, kind: str, params: list[Param], options: dict[str, Any]) -> None:
    check_outputs(options["out"])
    waiting = options["wait"] or options["out"] or options["save"] or options["resume"]
    job = _job(server, options["resume"]) if options["resume"] else _started(server, kind, params, options)
    say(f"{server.url}/jobs/{job['id']}")
    click.echo(job["id"])
    if waiting:
        follow(server, job, options["out"], options["save"])


def _started(server: SiteClient, kind: str, params: list[Param], options: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.load(options["params"]) if options["params"] else {}
    for one in params:
        value = options[f"p_{one.name}"]
        if value is None or value == ():
            continue
        body[one.name] = _value(server, one, value)
    asked = {name: options[name] for name in ("sample", "run_at", "notify_mail", "notify_webhook") if options[name]}
    key = options["idempotency_key"] or str(uuid4())
    query = f"?{urlencode(asked)}" if asked else ""
    job: dict[str, Any] = server.post(f"/kinds/{kind}/jobs{query}", body, {"Idempotency-Key": key})
    return job


def _value(server: SiteClient, one: Param, value: Any) -> Any:
    if not isinstance(value, tuple):
        return _reference(server, value) if one.file else value
    if all(isinstance(each, tuple) for each in value):
        return dict(value)
    return [_reference(server, each) if one.file else each for each in value]


def _reference(server: SiteClient, text: str) -> str:
    """What the API takes for a file: the id of an upload, which is made here if the text is a path."""
    path = Path(text)
    if REFERENCE.fullmatch(text) and not path.exists():
        return text
    if not path.is_file():
        raise click.UsageError(f"There is no file {text}.")
    if not path.stat().st_size:
        raise click.UsageError(f"The file {text} is empty.")

    def tell(done: int, size: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2KUploading {path.name}: {100 * done // size}%", err=True, nl=done == size)

    return server.upload(path, tell)


@click.command("wait", epilog=CODES)
@click.argument("job_id", metavar="ID")
@click.option(
    "--out", type=click.Path(path_type=Path), multiple=True, help="Write the items as CSV, JSONL, XLSX or Parquet."
)
@click.option("--save", type=click.Path(path_type=Path), help="Save the job's files in this folder.")
@_of_a_server
def wait(server: SiteClient, job_id: str, out: tuple[Path, ...], save: Path | None) -> None:
    """Show the progress of a job until it has ended."""
    check_outputs(out)
    follow(server, _job(server, job_id), out, save)


def _job(server: SiteClient, job_id: str) -> dict[str, Any]:
    """The job with that id, which may be the end of its address."""
    job: dict[str, Any] = server.get(f"/jobs/{job_id.rpartition('/')[2]}")
    return job


@click.command("stop", epilog=CODES)
@click.argument("job_id", metavar="ID")
@_of_a_server
def stop(server: SiteClient, job_id: str) -> None:
    """Ask a job to stop. What it has done is kept."""
    server.post(f"/jobs/{job_id}/cancel")
    say(f"The job was asked to stop. `legwork wait {job_id}` waits until it has.")


@click.command("jobs")
@click.option("--state", multiple=True, help="Only jobs in this state; may be repeated.")
@click.option("--kind", help="Only jobs of this kind.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON, a job a line.")
@_of_a_server
def jobs(server: SiteClient, state: tuple[str, ...], kind: str | None, limit: int, as_json: bool) -> None:
    """List your jobs, newest first."""
    found = server.get("/jobs", {"state": state, "kind": kind, "limit": limit})["jobs"]
    if as_json:
        for job in found:
            click.echo(json.dumps(job, ensure_ascii=True))
        return
    rows = [
        [job["id"], job["kind"], job["label"], job["state"], job["progress"]["done"], job["created_at"]]
        for job in found
    ]
    click.echo("\n".join(table(["id", "kind", "input", "state", "done", "created"], rows)))
