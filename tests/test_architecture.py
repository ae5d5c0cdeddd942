"""The rules of the house: who may import whom, who may write where, and what an import must not do.

Every exception is named here with its reason.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import OURS as SETTINGS

CODE = Path(__file__).parents[1]
ROOTS = ("jobs", "webapp")

# Who stands on whom: what stands in a row may import what stands in the rows below it, and nothing of its own row.
FLOORS = (
    "webapp.command",
    "webapp",  # the application, its server, the description of the API
    "webapp.operations",
    "webapp.mail webapp.schedules webapp.uploads",
    "webapp.chat webapp.jobs webapp.openai_api",
    "webapp.forms webapp.library",
    "webapp.results",
    "webapp.accounts webapp.moderation webapp.ui",
    "webapp.api",
    "webapp.http",
    "kinds of job",
    "jobs.engine.sdk",
    "jobs.engine.kits jobs.engine.operations jobs.engine.worker",
    "jobs.engine.queue",
    "jobs.engine.chat jobs.engine.connections jobs.engine.mail",
    "jobs.engine.kinds jobs.engine.library",
    "jobs.engine.accounts jobs.engine.embedded jobs.engine.files jobs.engine.llm",
    "jobs.engine.formats",
    "jobs.engine.db jobs.engine.sandbox",
    "jobs.engine",  # settings, errors, logs and the like
)
MOST_FILES = 20  # of Python in one folder
MOST_ANY = 0.03  # share of the site's parameters that are typed as plain Any

HEAVY = {
    *("langchain", "openai", "duckdb", "numpy", "openpyxl", "xlsxwriter", "boto3", "aiohttp", "xllamacpp"),
    *("onnxruntime", "pandas", "pyarrow", "scipy", "sklearn", "PIL", "pypandoc", "typst"),
    *("argon2", "authlib", "requests", "sentry_sdk", "nh3", "dateutil", "genai_prices", "anthropic"),
}

ENVIRONMENT_ALLOWED = {
    "jobs.engine.settings": "the one reader",
    "jobs.engine.env_file": "puts into it what .env has",
    "jobs.engine.kinds.form_process": "hands it on to the helper processes, which are started without one",
    "jobs.engine.worker.leak_check": "looks whether a job has changed it",
    "jobs.engine.sandbox.confined": "names the folder for temporary files in a fork, which has the environment of another",
    "webapp.__main__": "hands it to the settings, and on to the processes it starts",
}

SWALLOWING_ALLOWED = {
    ("jobs.engine.worker.wide", "_cut"): "of the source: raised when what it gave before is done",
    ("jobs.engine.chat.answer_threads", "_run"): "one answer must not keep the others from being kept",
    ("jobs.engine.chat.answer_writer", "_write"): "how an answer ended must be written, whatever ended it",
    ("jobs.engine.kinds.definition", "load"): "a broken kind must not take the others with it",
    (
        "jobs.engine.llm.embeddings.batching",
        "_settle",
    ): "each text of a batch waits for its vector, or for this error",
    ("jobs.engine.chat.answer_readers", "_follow"): "a thread must not die in silence, and its readers must be told",
    ("jobs.engine.worker.micro_batches", "_outcomes"): "each value of a batch waits for its outcome, or for this error",
    ("jobs.engine.worker.run", "work"): "how a run ended must be written, whatever its kind raised",
    (
        "jobs.engine.kinds.form_process",
        "_answer",
    ): "a kind's own check may raise anything; the process that asked raises it",
    ("jobs.engine.sandbox.confined", "serve"): "a child reads what may be broken, and its parent must be told",
    ("jobs.engine.worker.child", "_be_child"): "a forked child must not run on in its parent's code",
    ("jobs.engine.queue.schedules", "_trouble"): "a kind's own check may raise anything, and the clock must live on",
    ("jobs.engine.worker.supervisor", "_be_child"): "a forked child must not run on in its parent's code",
    ("jobs.engine.chat.trials", "run"): "a thread must not die in silence, and its reader must be told",
    ("jobs.engine.worker.take_message", "claimed"): "RQ raises many things for a broken message",
    ("jobs.engine.worker.outcome_writer", "_write_on"): "a thread must not die in silence: the run raises it",
    ("webapp.http.errors", "_page"): "the page that tells of a fault must not fail for the same reason",
}

HIDDEN_ALLOWED = {
    ("webapp.operations.health", "webapp.operations.metrics"): "most web processes are never asked for figures",
    **{
        ("jobs.__main__", name): "each command imports what it needs alone: all takes a second"
        for name in (
            "jobs.engine.operations",
            "jobs.engine.db.migrations",
            "jobs.engine.db.postgres",
            "jobs.engine.embedded.discovery",
            "jobs.engine.embedded.with_database",
            "jobs.engine.kinds",
            "jobs.engine.operations.backups",
            "jobs.engine.operations.secret_rotation",
            "jobs.engine.worker.autoscaler",
            "jobs.engine.worker.clock",
            "jobs.engine.worker.supervisor",
        )
    },
    ("webapp.__main__", "jobs.engine.accounts"): "as above",
    ("webapp.__main__", "webapp.accounts.command"): "as above",
    ("webapp.gunicorn", "jobs.engine.kinds"): "gunicorn reads its file before gevent has patched what this imports",
    ("webapp.gunicorn", "jobs.engine.chat"): "gunicorn reads its file before gevent has patched what this imports",
}

TOUCHING_ALLOWED = ("('::1', 0))",)  # urllib3 looks for IPv6 by a socket that it closes at once

# Not imported but run, by a server or by Alembic.
DOORS = {"webapp.wsgi", "webapp.gunicorn", "jobs.engine.db.migrations.env"}

MOST_LINES = 370
LONG_ALLOWED = {}


class Module(NamedTuple):
    name: str  # dotted; a package by its own name
    path: Path
    tree: ast.Module
    lines: int

    @property
    def kind(self) -> bool:
        return self.path.parent == CODE / "jobs" and not self.path.name.startswith("__")


def _modules() -> Iterator[Module]:
    for root in ROOTS:
        for path in sorted((CODE / root).rglob("*.py")):
            parts = path.relative_to(CODE).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text()
            yield Module(name, path, ast.parse(text), text.count("\n"))


MODULES = {module.name: module for module in _modules()}
WEB = [module for module in MODULES.values() if module.name.startswith("webapp")]


def imports(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The dotted names that are imported, as far down as they are modules of ours, with their statements."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield (below if below in MODULES else str(node.module)), node


def inside(tree: ast.AST, *, functions: bool) -> set[ast.AST]:
    """Every node inside a function, or else every node that only a type checker sees."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and functions:
            found.update(ast.walk(node))
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" and not functions:
            found.update(part for statement in node.body for part in ast.walk(statement))
    return found


@cache
def at_import(name: str) -> frozenset[str]:
    """What importing a module of ours imports directly."""
    tree = MODULES[name].tree
    later = inside(tree, functions=True) | inside(tree, functions=False)
    return frozenset(imported for imported, node in imports(tree) if node not in later)


def reach(start: str) -> dict[str, str]:
    """All that importing a module brings in, each with the module of ours that asks for it."""
    found: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for name in at_import(here) - found.keys():
            found[name] = here
            if name in MODULES:
                waiting.append(name)
    return found


def top(name: str) -> str:
    return name.split(".")[0]


def package(name: str) -> str:
    """The row's word in FLOORS for a module of ours; "" for `python -m jobs` and the version."""
    parts = name.split(".")
    if parts[0] == "jobs" and parts[1:2] != ["engine"]:
        return "kinds of job" if name in MODULES and MODULES[name].kind else ""
    depth = 3 if parts[0] == "jobs" else 2
    whole = ".".join(parts[:depth])
    known = whole in MODULES and MODULES[whole].path.name == "__init__.py"
    return whole if known or whole == "jobs.engine.sdk" else ".".join(parts[: depth - 1])


def offered(name: str) -> set[str]:
    """What a package says in its `__all__`; its packages within are offered too."""
    named: set[str] = set()
    for node in MODULES[name].tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
            ):
                named.update(ast.literal_eval(value))
    return named | {
        other.removeprefix(f"{name}.")
        for other, module in MODULES.items()
        if other.startswith(f"{name}.") and module.path.name == "__init__.py"
    }


# Who may import whom.


def test_imports_run_downwards() -> None:
    floor = {word: number for number, row in enumerate(FLOORS) for word in row.split(" ") if row != "kinds of job"}
    floor["kinds of job"] = FLOORS.index("kinds of job")
    assert {package(name) for name in MODULES} - {""} == floor.keys()
    wrong = []
    for module in MODULES.values():
        here = package(module.name)
        for name, _ in imports(module.tree):
            there = package(name) if top(name) in ROOTS else ""
            if here and there and here != there and floor[there] <= floor[here]:
                wrong.append((module.name, name))
    assert wrong == []


def test_packages_do_not_import_each_other() -> None:
    known: dict[str, set[str]] = {}
    for module in MODULES.values():
        named = {package(name) for name, _ in imports(module.tree) if top(name) in ROOTS}
        known.setdefault(package(module.name), set()).update(named - {package(module.name), ""})

    def below(word: str, seen: frozenset[str] = frozenset()) -> set[str]:
        return {one for step in known.get(word, set()) - seen for one in {step} | below(step, seen | {step})}

    assert [word for word in known if word and word in below(word)] == []


def test_the_site_and_the_kinds_import_packages_and_not_the_files_in_them() -> None:
    wrong = []
    for module in MODULES.values():
        if not module.kind and top(module.name) != "webapp":
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith("jobs.engine."):
                continue
            source = str(node.module)
            if package(source) in ("jobs.engine", "jobs.engine.sdk"):
                continue
            is_package = MODULES[source].path.name == "__init__.py"
            wrong += [
                (module.name, source, one.name)
                for one in node.names
                if one.name not in offered(source) or not is_package
            ]
    assert wrong == []


def test_a_package_hides_none_of_its_files_behind_a_name() -> None:
    """`from package import name` gives the file or the thing, whichever came last, if both have that name."""
    wrong = []
    for name, module in MODULES.items():
        if module.path.name != "__init__.py":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module != name:
                wrong += [(name, one.name) for one in node.names if f"{name}.{one.asname or one.name}" in MODULES]
    assert wrong == []


def test_what_a_kind_is_written_with_takes_one_import() -> None:
    used = [
        (module.name, name, one.name)
        for module in MODULES.values()
        if module.kind
        for name, node in imports(module.tree)
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if one.name in offered("jobs.engine.sdk") and node.module != "jobs.engine.sdk"
    ]
    assert used == []


def test_no_folder_is_crowded() -> None:
    one_each = {CODE / "jobs", CODE / "jobs/engine/db/migrations/versions"}  # each kind and each migration is a file
    folders = {module.path.parent for module in MODULES.values()} - one_each
    counts = {str(folder.relative_to(CODE)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_a_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for module in MODULES.values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module.name)
    for each in ("Params", "Result"):  # each kind has its own
        places.pop(each)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_nobody_in_jobs_knows_the_web() -> None:
    jobs = [module for module in MODULES.values() if module.name.startswith("jobs")]
    assert [(module.name, name) for module in jobs for name, _ in imports(module.tree) if top(name) == "webapp"] == []


def test_a_kind_knows_no_other_kind_and_the_engine_none() -> None:
    known = {module.name for module in MODULES.values() if module.kind}
    assert known
    jobs = [module for module in MODULES.values() if top(module.name) == "jobs"]
    assert [(module.name, name) for module in jobs for name, _ in imports(module.tree) if name in known] == []


def test_no_import_of_ours_hides_in_a_function() -> None:
    hidden = []
    for module in MODULES.values():
        inner = inside(module.tree, functions=True)
        hidden += [(module.name, name) for name, node in imports(module.tree) if top(name) in ROOTS and node in inner]
    assert set(hidden) == set(HIDDEN_ALLOWED)


@pytest.mark.slow
def test_no_module_imports_itself_by_a_detour() -> None:
    assert [name for name in MODULES if name in reach(name)] == []


def test_nothing_heavy_comes_with_an_import_of_the_web() -> None:
    met = {name: by for module in WEB for name, by in reach(module.name).items()}
    assert {name: by for name, by in met.items() if top(name) in HEAVY} == {}


CHILDREN = {
    *("jobs.engine.formats.exports", "jobs.engine.formats.extraction", "jobs.engine.formats.tables"),
    *("jobs.engine.kits.conversion", "jobs.engine.kits.reports", "jobs.engine.kits.sql"),
    "jobs.engine.llm.embeddings",
    *("jobs.engine.formats.pdf_pages", "jobs.engine.sandbox.run_program", "jobs.engine.sandbox"),
}


def comes_with(start: str) -> set[str]:
    """All that is imported with a module: also the packages that each stands in."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            above = {name for name in MODULES if here.startswith(f"{name}.")}
            waiting += above | (at_import(here) if here in MODULES else set())
    return found


def test_children_start_without_the_database() -> None:
    """What a package offers must not bring more than the children that live in it need."""
    ends = {child: f"{child}.__main__" if f"{child}.__main__" in MODULES else child for child in CHILDREN}
    met = {child: {top(name) for name in comes_with(end)} for child, end in ends.items()}
    heavy = {"sqlalchemy", "redis", "rq", "flask", "langchain"}
    assert {child: found & heavy for child, found in met.items() if found & heavy} == {}


# What an import and the first page must not do.

WATCH = """
import os, sys, threading

touched, asked = [], set()
LOUD = {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.exec", "_thread.start_new_thread"}

class Environment(os._Environ):
    def __getitem__(self, name):
        asked.add(name)
        return super().__getitem__(name)

coding = [getattr(os.environ, part) for part in ("encodekey", "decodekey", "encodevalue", "decodevalue")]
os.environ = Environment(os.environ._data, *coding)

def watch(event, arguments):
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in LOUD or written:
        touched.append(f"{event} {arguments}")

sys.addaudithook(watch)
"""


def run(script: str, **variables: str) -> dict[str, Any]:
    """What a script prints as JSON in its last line, run by an interpreter that has none of our settings."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environ = {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error::ResourceWarning", **variables}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CODE, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_importing_opens_nothing_and_asks_for_no_setting() -> None:
    names = [name for name in MODULES if name not in DOORS and not name.endswith("__main__")]
    told = run(f"""
import importlib, json
{WATCH}
for name in {names!r}:
    importlib.import_module(name)
ours = sorted(asked & {set(SETTINGS)!r})
print(json.dumps({{"touched": touched, "asked": ours, "threads": threading.active_count()}}))
""")
    told["touched"] = [one for one in told["touched"] if not one.endswith(TOUCHING_ALLOWED)]
    assert told == {"touched": [], "asked": [], "threads": 1}


@pytest.mark.slow
def test_the_first_page_loads_nothing_heavy(database_url: str, redis_url: str, tmp_path: Path) -> None:
    script = f"""
import json, sys
from webapp.app import create_app
before = sorted(set(sys.modules) & {HEAVY!r})
answer = create_app().test_client().get("/")
after = sorted(set(sys.modules) & {HEAVY!r})
print(json.dumps({{"status": answer.status_code, "before": before, "after": after}}))
"""
    told = run(script, DATABASE_URL=database_url, REDIS_URL=redis_url, DATA_DIR=str(tmp_path))
    assert told == {"status": 200, "before": [], "after": []}


# Who may read and write what.


def test_only_the_settings_read_the_environment() -> None:
    readers = {module.name for module in MODULES.values() if any(map(_reads_environment, ast.walk(module.tree)))}
    assert readers == set(ENVIRONMENT_ALLOWED)


def _reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return any(alias.name in names for alias in node.names)
    return isinstance(node, ast.Attribute) and node.attr in names and getattr(node.value, "id", "") == "os"


def test_only_the_ledger_writes_job_rows() -> None:
    writers = ("jobs.engine.queue.ledger", "jobs.engine.db.migrations")
    others = [module for module in MODULES.values() if not module.name.startswith(writers)]
    wrong = [(module.name, node) for module in others for node in ast.walk(module.tree) if _writes_job(node)]
    assert [(name, node.lineno) for name, node in wrong] == []


def _writes_job(node: ast.AST) -> bool:
    """Whether a node is SQL, a statement of SQLAlchemy or an assignment that changes jobs, their attempts or items."""
    match node:
        case ast.Constant(value=str(text)):
            return bool(re.search(r"\b(update|insert\s+into|delete\s+from)\s+(jobs|attempts|items)\b", text, re.I))
        case ast.Call(func=ast.Attribute(attr="add" | "add_all" | "merge" | "delete")):
            return any(map(_is_job, node.args))
        case ast.Call(func=ast.Name(id="update" | "insert" | "delete"), args=[ast.Name(id="Job" | "Attempt" | "Item")]):
            return True
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Attribute) and _is_job(target.value) for target in targets)
        case ast.AugAssign(target=ast.Attribute(value=value)):
            return _is_job(value)
    return False


def _is_job(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="job") | ast.Call(func=ast.Name(id="Job")):
            return True
    return False


def test_errors_are_caught_by_name_or_raised_again() -> None:
    swallowing = {(module.name, function) for module in MODULES.values() for function in _swallowing(module.tree)}
    assert sorted(swallowing - SWALLOWING_ALLOWED.keys()) == []
    assert sorted(known for known in SWALLOWING_ALLOWED if known[0] in MODULES and known not in swallowing) == []


def _swallowing(tree: ast.Module) -> Iterator[str]:
    """The functions with a handler that takes every error and raises none."""
    function: dict[ast.AST, str] = {}
    for node in ast.walk(tree):  # outer functions come first, so the innermost one stays
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function.update(dict.fromkeys(ast.walk(node), node.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not _raises(node):
            yield function.get(node, "")


def _catches_all(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(one is None or getattr(one, "id", "") in ("Exception", "BaseException") for one in types)


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) for part in ast.walk(handler))


# How it is written.


def test_public_functions_say_what_they_take_and_give() -> None:
    wrong = [
        (module.name, node.name)
        for module in MODULES.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        if node.returns is None or any(one.annotation is None for one in _taken(node))
    ]
    assert wrong == []


def _taken(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    given = function.args
    return [one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")]


def test_files_stay_small() -> None:
    assert [module.name for module in MODULES.values() if module.lines > MOST_LINES] == []


def test_few_parameters_of_the_site_are_any() -> None:
    """mypy cannot check what is passed as Any."""
    parameters = [
        one.annotation
        for path in (CODE / "webapp").rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for one in ast.walk(function.args)
        if isinstance(one, ast.arg) and one.annotation
    ]
    plain = [one for one in parameters if isinstance(one, ast.Name) and one.id == "Any"]
    assert len(plain) < MOST_ANY * len(parameters)
