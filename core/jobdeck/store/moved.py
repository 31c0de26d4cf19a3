"""The marks of a database whose queue was copied to another one, or is a copy that is not finished.

They are rows of `jobdeck_meta`. Whoever opens a marked database is told where the queue is; triggers on the source refuse the
writes of processes that opened it before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from .backend import Backend, SqlConnection

MOVED = "moved"
"""The key of the mark of a source."""
INCOMING = "incoming"
"""The key of the mark of a target that is not complete."""
ORIGIN = "origin"
"""The key of the mark of a complete target."""
REFUSED = "jobdeck: "
"""What the message of a trigger that refuses a write starts with."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a database says about a copy."""

    token: str
    """The same in the source and in the target."""
    other: str
    """The address of the other database, without its password."""
    complete: bool = False

    @classmethod
    def read(cls, connection: SqlConnection, key: str) -> Self | None:
        """Return the mark with this key, if there is one."""
        text: Any = connection.execute("SELECT value FROM jobdeck_meta WHERE key = ?", (key,)).get
        try:
            return None if text is None else cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls("", "another database")

    def write(self, connection: SqlConnection, key: str) -> None:
        """Set the mark."""
        connection.execute(
            "INSERT INTO jobdeck_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(asdict(self))),
        )


def remove_mark(connection: SqlConnection, key: str) -> None:
    """Remove the mark with this key."""
    connection.execute("DELETE FROM jobdeck_meta WHERE key = ?", (key,))


def moved_text(mark: Mark) -> str:
    """Return what is the matter with a source, to be put after its name."""
    if mark.complete:
        return f"was moved to {mark.other}; use that address, or `jobdeck copy --unmark` to use this one again"
    return (
        f"is being copied to {mark.other}; if that was interrupted, run the same `jobdeck copy` again,"
        " or `jobdeck copy --unmark` to use this one again"
    )


def moved_problem(backend: Backend) -> str | None:
    """Return why a database must not be used, to be put after its name; `None` if it may be."""
    with backend.read_transaction() as connection:
        rows = connection.execute("SELECT key FROM jobdeck_meta WHERE key IN (?, ?)", (MOVED, INCOMING)).fetchall()
        keys = [row[0] for row in rows]
        if not keys:
            return None
        mark = Mark.read(connection, keys[0])
    if mark is None:
        return None
    if keys[0] == MOVED:
        return moved_text(mark)
    return f"holds a copy of {mark.other} that is not complete; run the same `jobdeck copy` again to finish it"
