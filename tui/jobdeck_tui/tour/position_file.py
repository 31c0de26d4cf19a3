"""A small file in the demo's folder that says where its tour is, for the speaker notes in a second terminal."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from jobdeck import record

from ..demo.sandbox import PREFIX
from ..scratch_folder import is_in_use

_FILE = "tour.json"


@record
class Position:
    """The position of a tour."""

    plan: str
    step: str
    """The name of the step; empty at the end."""
    phase: str
    started: float
    """The time of its start on the machine's monotonic clock."""
    has_server: bool = False
    """`True` if the tour has the step on a PostgreSQL server."""


def write_position(folder: Path, position: Position) -> None:
    """Write the file: whole, or not at all. A folder that is gone is no error: the demo is ending."""
    values = {name: getattr(position, name) for name in ("plan", "step", "phase", "started", "has_server")}
    draft = folder / f"{_FILE}.new"
    with contextlib.suppress(OSError):
        draft.write_text(json.dumps(values))
        draft.replace(folder / _FILE)


def remove_position(folder: Path) -> None:
    """Remove the file: the tour was left."""
    with contextlib.suppress(OSError):
        (folder / _FILE).unlink(missing_ok=True)


def read_position() -> Position | None:
    """Return where the tour of the running demo is, the newest one if there are several; `None` if there is none."""
    found: list[tuple[float, Position]] = []
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{_FILE}"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if is_in_use(file.parent):
                found.append((file.stat().st_mtime, Position(**json.loads(file.read_text()))))
    return max(found, key=lambda each: each[0])[1] if found else None
