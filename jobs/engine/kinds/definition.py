"""One kind of job: what its module defines, and whether that is whole."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from jobs.engine.errors import FieldError, KindUnavailable
from jobs.engine.files.inputs import Input
from jobs.engine.kinds import sources
from jobs.engine.kinds.columns import ItemColumn, KindResult, figures_of
from jobs.engine.kinds.params import KindParams

QUEUE_NAME = re.compile("[a-z][a-z0-9_-]{0,39}")
DEFAULT_TIME_LIMIT = 6 * 3600
DEFAULT_ATTEMPTS = 3

Find = Callable[[str], Input]  # the file of a reference; raises BadInput


@dataclass(frozen=True)
class Estimate:
    """What a job will need. None: not known before it starts. `calls` and `tokens` are those of a model."""

    items: int | None = None
    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    request_bytes: int | None = None  # of all requests to a model together
    notes: tuple[str, ...] = ()  # warnings shown before the start


@dataclass(frozen=True)
class Recipe:
    """A common task for a kind: what people call it, and params on a sample file that do it."""

    title: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class TrialPrompt:
    """The request to a model for one row.

    body: of POST /chat/completions; None if there is no request for this row. asked: the prompt, as shown to a person.
    trouble: why there is no request, as a sentence.
    """

    body: dict[str, Any] | None
    asked: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of job: the values and functions that its module defines."""

    name: str
    title: str
    group: str
    queue: str
    needs: tuple[str, ...]
    noun: tuple[str, str]
    text: str
    example: dict[str, Any]
    time_limit: int
    max_attempts: int
    at_most_once: bool = False  # a retry by a person skips finished items
    reuse_process: bool = False  # several jobs may run in one process, one after another
    spread: bool = False  # its items are independent: idle workers help with them
    reason: str | None = None  # why it is unavailable
    words: str = ""  # what people call what it does, with commas between; for searching
    recipes: tuple[Recipe, ...] = ()
    asks_model: bool = False  # a language model, for texts
    trouble: str | None = None  # why its new file is not used; the version before goes on
    hidden: bool = False  # started from other pages; not in the catalogue page
    module: ModuleType | None = None

    @property
    def available(self) -> bool:
        return self.reason is None

    @property
    def summary(self) -> str:
        return self.text.split("\n", 1)[0]

    @property
    def searched(self) -> str:
        """The words by which it is found in the catalogue."""
        names = [self.title, self.name.replace("_", " "), self.group, self.summary, self.words]
        return " ".join([*names, *(one.title for one in self.recipes)]).casefold()

    @property
    def Params(self) -> type[KindParams]:
        model: type[KindParams] = self._module().Params
        return model

    def schema(self) -> dict[str, Any]:
        return self.Params.model_json_schema()

    def run(self, params: KindParams, context: Any) -> dict[str, Any] | None:
        result: dict[str, Any] | None = self._module().run(params, context)
        return result

    def check(self, params: KindParams, find: Find) -> list[FieldError]:
        """Errors that the types do not catch: a file that is not a table, a column that does not exist."""
        return self._optional("check", params, find) or []

    def estimate(self, params: KindParams, find: Find) -> Estimate | None:
        estimate: Estimate | None = self._optional("estimate", params, find)
        return estimate

    def label(self, params: KindParams, find: Find) -> str:
        """The job's input in a few words, for lists; empty if the kind has no label."""
        return self._optional("label", params, find) or ""

    @property
    def has_preview(self) -> bool:
        return hasattr(self.module, "preview")

    def preview(self, params: KindParams, find: Find, place: int) -> dict[str, Any] | None:
        """The result of the item at this place, from 1, without a job; None if there is no preview. Raises BadInput."""
        preview: dict[str, Any] | None = self._optional("preview", params, find, place)
        return preview

    @property
    def can_sample(self) -> bool:
        """Whether trying the job on a few rows makes sense. It does not for an agent or a report."""
        return not getattr(self.module, "ONE_PIECE", False)

    @property
    def has_choices(self) -> bool:
        return hasattr(self.module, "choices")

    def choices(self, given: Mapping[str, Any], find: Find) -> dict[str, list[str]]:
        """What can be chosen in a field, by what is given so far, such as formats that the files can become."""
        return self._optional("choices", given, find) or {}

    @property
    def has_questions(self) -> bool:
        return hasattr(self.module, "questions")

    def questions(self, params: KindParams, find: Find, rows: int) -> list[TrialPrompt]:
        """The requests to a model for the first rows, for a trial. Raises BadInput."""
        return self._optional("questions", params, find, rows) or []

    def view(self, job: Any, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Variables for the kind's RESULT_TEMPLATE; query: the page's query string. None if there are none."""
        view: dict[str, Any] | None = self._optional("view", job, query)
        return view

    @property
    def figures(self) -> tuple[ItemColumn, ...]:
        """How the values of its result are shown."""
        model = getattr(self.module, "Result", None)
        return figures_of(model) if model else ()

    def columns(self, params: Mapping[str, Any]) -> tuple[ItemColumn, ...]:
        """How the columns of its items are shown. params: as they were submitted; they may name columns."""
        found = getattr(self.module, "item_columns", None)
        return tuple(found(params) if found else getattr(self.module, "COLUMNS", ()))

    @property
    def items_apart(self) -> bool:
        """Whether its items are steps to the result, shown on a tab of their own, rather than the result."""
        return bool(getattr(self.module, "ITEMS_APART", False))

    def _optional(self, function: str, *arguments: Any) -> Any:
        found = getattr(self._module(), function, None)
        return found(*arguments) if found else None

    def _module(self) -> ModuleType:
        if self.module is None or self.reason:
            raise KindUnavailable(f"{self.title} is not available here: {self.reason}")
        return self.module


def load(path: str, *, again: bool = False) -> Kind:
    """The kind in the module of that dotted path; unavailable if the module fails to import or does not define a kind."""
    name = name_of(path)
    try:
        module = sources.imported(path, again=again)
    except Exception as error:  # a broken kind must not take the others with it
        return broken_kind(name, f"{path.replace('.', '/')}.py does not import: {type(error).__name__}: {error}")
    reason = _definition_error(module)
    return broken_kind(name, reason) if reason else _kind(name, module)


def _kind(name: str, module: ModuleType) -> Kind:
    needs = tuple(getattr(module, "NEEDS", ()))
    packages = dict.fromkeys(need.partition(".")[0] for need in needs)  # find_spec of a submodule imports its package
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return Kind(
        name=name,
        title=module.TITLE,
        group=module.GROUP,
        queue=module.QUEUE,
        needs=needs,
        noun=getattr(module, "NOUN", ("item", "items")),
        text=(module.__doc__ or "").strip(),
        example=module.EXAMPLE,
        time_limit=getattr(module, "TIME_LIMIT", DEFAULT_TIME_LIMIT),
        max_attempts=getattr(module, "MAX_ATTEMPTS", DEFAULT_ATTEMPTS),
        at_most_once=getattr(module, "AT_MOST_ONCE", False),
        reuse_process=getattr(module, "REUSE_PROCESS", False),
        spread=getattr(module, "SPREAD", False),
        reason=f"the package {', '.join(missing)} is missing; install requirements.txt" if missing else None,
        module=module,
        words=getattr(module, "WORDS", ""),
        recipes=tuple(getattr(module, "RECIPES", ())),
        asks_model=getattr(module, "ASKS_MODEL", False),
        hidden=getattr(module, "HIDDEN", False),
    )


def broken_kind(name: str, reason: str) -> Kind:
    """A kind that is not available, for this reason."""
    title = name.replace("_", " ").capitalize()
    return Kind(name, title, "Not available", "cpu", (), ("item", "items"), reason, {}, 0, 0, reason=reason)


def _definition_error(module: ModuleType) -> str | None:
    """What a kind's module lacks, as a sentence; None if nothing."""
    absent = [word for word in ("TITLE", "GROUP", "QUEUE", "Params", "EXAMPLE", "run") if not hasattr(module, word)]
    if absent:
        return f"{module.__name__} does not define {', '.join(absent)}; docs/add-a-kind.md shows what a kind needs."
    if not (isinstance(module.Params, type) and issubclass(module.Params, KindParams)):
        return f"{module.__name__}.Params is not a subclass of KindParams."
    if not issubclass(getattr(module, "Result", KindResult), KindResult):
        return f"{module.__name__}.Result is not a subclass of KindResult."
    if not isinstance(module.QUEUE, str) or not QUEUE_NAME.fullmatch(module.QUEUE):
        return f"{module.__name__}.QUEUE is {module.QUEUE!r}; it must be a short name in lower case, such as io."
    if not (module.__doc__ or "").strip():
        return f"{module.__name__} has no docstring; its first line is the text on the kind's card."
    return None


def name_of(path: str) -> str:
    """The name of the kind in the module of that dotted path."""
    return path.rpartition(".")[2]
