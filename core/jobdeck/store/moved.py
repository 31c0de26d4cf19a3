"""The marks of a database whose queue was copied to another one, or is a copy that is not finished.

They are rows of `jobdeck_meta`. Whoever opens a marked database is told where the queue is; triggers on the source refuse the
writes of processes that opened it before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from typing import Self

from ..json_functions import json
from ..model.errors import StoreRefused
from ..model.record_class import record
from .backend import SqlConnection

MOVED = "moved"
"""The key of the mark of a source."""
INCOMING = "incoming"
"""The key of the mark of a target that is not complete."""
ORIGIN = "origin"
"""The key of the mark of a complete target."""
REFUSED = "jobdeck: "
"""The start of the message of a trigger that refuses a write."""
_opening_moved: ContextVar[bool] = ContextVar("opening_moved", default=False)


@record
class Mark:
    """A note in a database about a copy."""

    token: str
    """The same in the source and in the target."""
    other: str
    """The address of the other database, without its password."""
    complete: bool = False

    @classmethod
    def read(cls, connection: SqlConnection, key: str) -> Self | None:
        """Return the mark with this key, if there is one."""
        return cls.parse(connection.execute("SELECT value FROM jobdeck_meta WHERE key = ?", (key,)).get)

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the mark that this text of a database holds."""
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


@contextmanager
def opening_moved() -> Iterator[None]:
    """Let databases with marks be opened inside the block, as a copy must."""
    token = _opening_moved.set(True)
    try:
        yield
    finally:
        _opening_moved.reset(token)


def refuse_moved(where: str, read: Callable[[str], str | None]) -> None:
    """Refuse a database whose queue was moved to another one, or that is a copy which is not complete.

    Args:
        where: the name of the database.
        read: returns the value of a key of `jobdeck_meta`, or `None`.

    Raises:
        StoreRefused: it is one of these.
    """
    if _opening_moved.get():
        return
    if (mark := Mark.parse(read(MOVED))) is not None:
        raise StoreRefused(where, moved_text(mark))
    if (mark := Mark.parse(read(INCOMING))) is not None:
        text = f"holds a copy of {mark.other} that is not complete; run the same `jobdeck copy` again to finish it"
        raise StoreRefused(where, text)
