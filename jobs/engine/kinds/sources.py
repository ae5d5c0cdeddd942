"""The source files of kinds: which have changed, and their modules made anew. For `make run`, where RELOAD_KINDS is 1."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

Stamp = tuple[int, int]  # when a file was written, in ns, and its bytes


def modules_of(package: str) -> list[str]:
    """The dotted paths of a package's own modules, without those whose names begin with _. Raises ImportError."""
    found = importlib.import_module(package)
    if not hasattr(found, "__path__"):
        raise ImportError(f"{package} is a module, not a package")
    return [
        f"{package}.{one.name}" for one in pkgutil.iter_modules(found.__path__) if not one.ispkg and one.name[0] != "_"
    ]


def stamps(paths: list[str]) -> dict[str, Stamp]:
    """When the file of each module was written. One whose file is gone is left out."""
    found = {}
    for path in paths:
        package, _, name = path.rpartition(".")
        for folder in sys.modules[package].__path__:
            file = Path(folder, f"{name}.py")
            if file.is_file():
                found[path] = (file.stat().st_mtime_ns, file.stat().st_size)
                break
    return found


def imported(path: str, *, again: bool = False) -> ModuleType:
    """The module of that dotted path; `again`: made anew from its file. If its code raises something, the one before stays."""
    if not again or path not in sys.modules:
        return importlib.import_module(path)
    importlib.invalidate_caches()
    before = sys.modules[path]
    spec = importlib.util.find_spec(path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return before
    module = importlib.util.module_from_spec(spec)
    file = spec.loader.get_filename()
    code = spec.loader.source_to_code(
        spec.loader.get_data(file), file
    )  # not the compiled file: two saves can share a second
    sys.modules[path] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is what an import does
    except BaseException:
        sys.modules[path] = before
        raise
    return module
