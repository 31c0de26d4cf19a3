"""Jobs that wait for other jobs: what becomes of the children when a parent is final, or gone.

How children are found and staged is each store's own (`Waits`); what is decided is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..model.jobs import IfParentFails, Reason
from ..model.states import State
from .backend import Sql, rows_of
from .counters import Tally


class Children(Protocol):
    """Finds those who wait for any of these: parent, child, queue and kind and policy of the child, ordered by child."""

    def __call__(self, connection: Any, parents: Sequence[int], only: int | None, /) -> Iterable[Sequence[Any]]: ...


class Stage(Protocol):
    """Stages those of the waiting jobs that wait for nothing any more: `pending`, or `scheduled` if due later."""

    def __call__(self, connection: Any, tally: Tally, children: Sequence[int], now: float, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Waits:
    """The waiting jobs of a store."""

    children: Children
    stage: Stage

    def settle(
        self, connection: Sql, tally: Tally, ended: Mapping[int, State | None], now: float, *, only: int | None = None
    ) -> dict[int, list[int]]:
        """Tell the children of jobs that have become final (`None`: were removed).

        A child is staged with the end of the last job that it waits for. Where a parent did not complete, the child's own
        policy decides: it is cancelled, and its children in turn; or runs all the same; or waits for somebody's retry.
        `only` that child is told, where given. Returns the jobs that were cancelled, each with those that it waited for.
        """
        all_cancelled: dict[int, list[int]] = {}
        while ended:
            cancelled: list[int] = []
            released: list[int] = []
            for parent, child, queue, kind, policy in self.children(connection, [*ended], only):
                outcome = ended[parent]
                if outcome is State.COMPLETED or policy == IfParentFails.RUN:
                    connection.execute("DELETE FROM jobdeck_waits WHERE parent = ? AND child = ?", (parent, child))
                    released.append(child)
                elif policy == IfParentFails.CANCEL or outcome is None:
                    waited = rows_of(connection, "DELETE FROM jobdeck_waits WHERE child = ? RETURNING parent", (child,))
                    connection.execute(
                        "UPDATE jobdeck_jobs SET state = 'cancelled', finished_at = ?, reason = ?"
                        " WHERE id = ? AND state = 'waiting'",
                        (now, Reason.PARENT.value, child),
                    )
                    if connection.changes():
                        tally.move(queue, kind, State.WAITING, State.CANCELLED)
                        cancelled.append(child)
                        all_cancelled[child] = sorted(row[0] for row in waited)
            self.stage(connection, tally, released, now)
            ended, only = dict.fromkeys(cancelled, State.CANCELLED), None
        return all_cancelled


def any_waits(connection: Sql) -> bool:
    """Whether any job waits for another: most queues have none, and then there is nothing to settle."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM jobdeck_waits)").get)
