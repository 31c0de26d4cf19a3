"""Read the kinds of apps, and their arguments, from source without running it: for completion in shells."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LARGEST = 1 << 20
"""The maximum size of a source file in bytes; larger ones are skipped."""


def read_kinds(apps: Iterable[str]) -> dict[str, Mapping[str, Sequence[str]]]:
    """Return kind → argument → the values that its type lists, if it lists any.

    Finds functions that are decorated with `job`, in the modules themselves: nothing is imported.

    Args:
        apps: dotted names of modules, or paths that end in `.py`.
    """
    found: dict[str, Mapping[str, Sequence[str]]] = {}
    for app in apps:
        with suppress(OSError, ValueError, SyntaxError, RecursionError):
            path = _file_of(app)
            if path is not None and path.stat().st_size <= _LARGEST:
                found.update(_kinds(_module_name(app), ast.parse(path.read_bytes())))
    return found


def _file_of(app: str) -> Path | None:
    if app.endswith(".py"):
        return Path(app)
    base = Path(*app.split("."))
    for folder in ("", *sys.path):  # a module in the current folder is the likeliest
        for each in (Path(folder, base, "__init__.py"), Path(folder, base).with_suffix(".py")):
            if each.is_file():
                return each
    return None


def _module_name(app: str) -> str:
    """Return the name under which the app is imported."""
    if not app.endswith(".py"):
        return app
    parts = Path(app).with_suffix("").parts
    return ".".join(parts) if all(part.isidentifier() for part in parts) else parts[-1]


def _kinds(module: str, tree: ast.Module) -> Iterator[tuple[str, Mapping[str, Sequence[str]]]]:
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            function = decorator if call is None else call.func
            if getattr(function, "id", getattr(function, "attr", "")) == "job":
                keywords = {each.arg: each.value for each in ([] if call is None else call.keywords)}
                name = keywords.get("name")
                kind = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else f"{module}.{node.name}"
                yield kind, {each.arg: _choices(each.annotation) for each in (*node.args.args, *node.args.kwonlyargs)}


def _choices(annotation: ast.expr | None) -> Sequence[str]:
    """Return the values of `bool` and of `Literal[…]`."""
    if isinstance(annotation, ast.Name) and annotation.id == "bool":
        return ("true", "false")
    if (
        isinstance(annotation, ast.Subscript)
        and getattr(annotation.value, "id", getattr(annotation.value, "attr", "")) == "Literal"
    ):
        values = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return [each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return ()
