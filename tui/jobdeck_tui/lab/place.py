"""Finds the line of jobdeck's code that executes a statement."""

from __future__ import annotations

from pathlib import Path
from types import FrameType

import jobdeck

_PACKAGE = Path(jobdeck.__file__).parent
_PASS_ON = frozenset(str(_PACKAGE / "store" / name) for name in ("backend.py", "postgres/session.py"))
"""The files that pass statements of others on."""


def executing_place(frame: FrameType) -> tuple[str, str]:
    """Return the place of the engine that executes a statement, such as `jobdeck/store/sqlite/claim.py:174`, and its function.

    It is the innermost frame on the stack that belongs to the engine; without one, the outermost frame.

    Args:
        frame: the innermost frame to look at.
    """
    while frame.f_back is not None and not _decides(frame.f_code.co_filename):
        frame = frame.f_back
    return format_place(frame.f_code.co_filename, frame.f_lineno), frame.f_code.co_qualname


def _decides(file: str) -> bool:
    return file not in _PASS_ON and Path(file).is_relative_to(_PACKAGE)


def format_place(file: str, line: int) -> str:
    """Return a place in short: from the folder of the package on."""
    path = Path(file)
    inside = path.is_relative_to(_PACKAGE)
    return f"{path.relative_to(_PACKAGE.parent) if inside else Path('jobdeck_tui', *path.parts[-2:])}:{line}"
