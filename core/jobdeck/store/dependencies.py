"""Jobs that wait for other jobs: what happens to the dependents when a parent becomes final or is deleted.

Each store finds and stages dependents in its own way; the decisions are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..model.jobs import IfParentFails, Reason
from ..model.record_class import record
from ..model.states import State
from .backend import SqlConnection, rows_of
from .counters import CounterDeltas

HAS_DEPENDENTS = "SELECT EXISTS (SELECT 1 FROM jobdeck_waits)"
"""`True` if any job waits for another: in most queues none does, and there is nothing to resolve."""


class FindDependents(Protocol):
    """Finds the dependents of parents: parent, child, queue and kind and policy of the child, ordered by child."""

    def __call__(self, connection: Any, parents: Sequence[int], only: int | None, /) -> Iterable[Sequence[Any]]: ...


class StageReady(Protocol):
    """Stages the waiting jobs that wait for no parent any more: `pending`, or `scheduled` if due later."""

    def __call__(self, connection: Any, counters: CounterDeltas, children: Sequence[int], now: float, /) -> None: ...


@record
class DependencyResolver:
    """Resolves the dependencies of one store."""

    find_dependents: FindDependents
    stage_ready: StageReady

    def resolve(
        self,
        connection: SqlConnection,
        counters: CounterDeltas,
        ended: Mapping[int, State | None],
        now: float,
        *,
        only: int | None = None,
    ) -> dict[int, list[int]]:
        """Resolve the dependents of jobs that have become final (`None`: were deleted).

        A dependent is staged when the last job that it waits for ends. If a parent did not complete, the dependent's own policy
        decides: it is cancelled, and its dependents in turn; or it runs anyway; or it waits until the parent is retried. With
        `only`, resolves that dependent alone. Returns the cancelled jobs, each with the jobs that it waited for.
        """
        all_cancelled: dict[int, list[int]] = {}
        while ended:
            cancelled: list[int] = []
            released: list[int] = []
            for parent, child, queue, kind, policy in self.find_dependents(connection, [*ended], only):
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
                        counters.count_transition(queue, kind, State.WAITING, State.CANCELLED)
                        cancelled.append(child)
                        all_cancelled[child] = sorted(row[0] for row in waited)
            self.stage_ready(connection, counters, released, now)
            ended, only = dict.fromkeys(cancelled, State.CANCELLED), None
        return all_cancelled

    def resolve_ended(
        self, connection: SqlConnection, counters: CounterDeltas, ended: Mapping[int, State | None], now: float
    ) -> bool:
        """Resolve as `resolve` does, if any job waits for another; return whether one does."""
        if not ended or not has_dependents(connection):
            return False
        self.resolve(connection, counters, ended, now)
        return True


def has_dependents(connection: SqlConnection) -> bool:
    """Return whether any job waits for another."""
    return bool(connection.execute(HAS_DEPENDENTS).get)
