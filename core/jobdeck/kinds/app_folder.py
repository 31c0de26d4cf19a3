"""The current folder, from which apps may be imported: it is searched last, and never before installed modules."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..model.errors import AppImportError

OPTIONAL_MODULES = (
    *("_overlapped", "_scproxy", "_winapi", "_wmi", "msvcrt", "nt", "org", "winreg", "winsound"),  # Python itself
    "psycopg_c",
)
"""Optional modules that Python itself (on other systems) and the driver for PostgreSQL import if they are installed."""


def reserve_missing(names: Iterable[str]) -> None:
    """Keep modules in the app's folder from being taken for optional parts of libraries that are not installed."""
    for name in names:
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules[name] = None  # type: ignore[assignment]  # `import` then fails at once


def add_current_folder() -> str | None:
    """Add the current folder to the end of Python's path and return it; `None` if it was deleted or cannot be reached."""
    reserve_missing(OPTIONAL_MODULES)
    try:
        here = str(Path.cwd())
    except OSError:
        return None
    if here not in sys.path:
        sys.path.append(here)
    return here


def refuse_shadowed(app: str, here: str | None) -> None:
    """Refuse an app in the current folder if another module of its name would be imported instead.

    Args:
        app: a dotted name.
        here: the current folder, if there is one.

    Raises:
        AppImportError: it is shadowed.
    """
    file = None if here is None else _local_file(Path(here), app)
    if file is None:
        return
    name = app.partition(".")[0]
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module without a specification, such as the main program
        return
    if spec is None or spec.origin is None:  # a package without `__init__.py` gives way to others
        return
    if not Path(spec.origin).exists():
        other = f"Python's own module {name!r}"  # built in
    elif Path(spec.origin).resolve().is_relative_to(Path(str(here)).resolve()):
        return
    else:
        other = spec.origin
    raise AppImportError(app, f"{file} is shadowed by {other}; rename it, or give its path: --app ./{file}")


def _local_file(here: Path, app: str) -> Path | None:
    """Return the file of the app in the folder, relative to it."""
    base = Path(*app.split("."))
    for each in (base / "__init__.py", base.with_suffix(".py")):
        with suppress(OSError, ValueError):  # the folder cannot be searched
            if (here / each).is_file():
                return each
    return None
