"""Pauses and resumes queues, and undoes either. The undo data is `[name, paused_at]`: the pause that started or ended."""

from __future__ import annotations

from ...model.errors import UndoConflict
from ..backend import SqlConnection

PAUSE, RESUME = "pause", "resume"

_GO_ON = """
SELECT queue FROM jobdeck_counts WHERE n > 0
 UNION SELECT name FROM jobdeck_queues WHERE max_running IS NOT NULL OR rate IS NOT NULL
 EXCEPT SELECT name FROM jobdeck_queues WHERE paused_at IS NOT NULL
"""
_PAUSED = "SELECT name FROM jobdeck_queues WHERE paused_at IS NOT NULL"


def active_queues(connection: SqlConnection) -> list[str]:
    """Return every queue that has jobs or limits and is not paused."""
    return sorted(name for (name,) in connection.execute(_GO_ON))


def paused_queues(connection: SqlConnection) -> list[str]:
    """Return every paused queue."""
    return sorted(name for (name,) in connection.execute(_PAUSED))


def pause(connection: SqlConnection, name: str, at: float) -> bool:
    """Pause the queue from `at` on; return `False` if it is paused already."""
    connection.execute(
        "INSERT INTO jobdeck_queues (name, paused_at) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at WHERE jobdeck_queues.paused_at IS NULL",
        (name, at),
    )
    return connection.changes() == 1


def resume(connection: SqlConnection, name: str) -> float | None:
    """Resume the queue; return when its pause started, or `None` if it was not paused."""
    paused_at: float | None = connection.execute("SELECT paused_at FROM jobdeck_queues WHERE name = ?", (name,)).get
    if paused_at is not None:
        connection.execute("UPDATE jobdeck_queues SET paused_at = NULL WHERE name = ?", (name,))
    return paused_at


def undo_or_redo(connection: SqlConnection, operation: str, name: str, paused_at: float, *, undo: bool) -> None:
    """Undo or redo the operation: end or restore the same pause.

    Raises:
        UndoConflict: the queue was paused or resumed since.
    """
    if (operation == RESUME) == undo:
        if not pause(connection, name, paused_at):
            raise UndoConflict(name, "was paused again since")
        return
    now: float | None = connection.execute("SELECT paused_at FROM jobdeck_queues WHERE name = ?", (name,)).get
    if now != paused_at:
        raise UndoConflict(name, "was resumed since" if now is None else "was resumed and paused again since")
    resume(connection, name)
