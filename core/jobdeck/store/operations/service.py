"""A person's side of a store: cancel, retry, reprioritise, edit, delete, pause.

Each act is journaled with what it takes to undo it, in its own transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ...model.errors import JobdeckError, JobNotFound, WrongState
from ...model.jobs import Changes, Edit, Job, Limits
from ...model.journal import By
from ...model.states import Operation, State, allows
from ..backend import House
from ..journal import ACT_BYTES
from . import config_changes as arrangements
from . import deletion, edits, pauses
from . import job_operations as deeds
from .journal_writer import Page
from .unit_of_work import Done, Turn

_ENDS = {Operation.CANCEL: State.CANCELLED, Operation.DELETE: None}
"""What the acts that end jobs make of them."""

Doing = Callable[[Turn, Job], Done]
"""Changes one job inside the transaction; returns what it takes to undo that."""


class Acts:
    """Transitions that people and programs ask for, of jobs that are in the queue."""

    def __init__(self, house: House) -> None:
        self._house = house

    def cancel(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.cancel_jobs`."""
        return self._each(Operation.CANCEL, ids, by, deeds.cancel)

    def retry(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.retry_jobs`."""
        return self._each(Operation.RETRY, ids, by, deeds.retry)

    def reprioritise(self, ids: Sequence[int], priority: int, by: By, *, relative: bool) -> Changes:
        """See `Store.reprioritise_jobs`."""
        doing = partial(deeds.reprioritise, priority=priority, relative=relative)
        return self._each(Operation.REPRIORITISE, ids, by, doing, f"by {priority:+d}" if relative else f"to {priority}")

    def edit(self, job_id: int, change: Edit, by: By) -> Changes:
        """See `Store.edit_job`."""
        return self._each(Operation.EDIT, [job_id], by, partial(edits.edit, change=change), edits.told(change))

    def delete(self, ids: Sequence[int], by: By) -> Changes:
        """See `Store.delete_jobs`."""
        return self._each(Operation.DELETE, ids, by, deletion.delete)

    def _each(self, operation: Operation, ids: Sequence[int], by: By, doing: Doing, how: str = "") -> Changes:
        """Do it to each job that is in a state for it; say of the others why not."""
        done: list[int] = []
        refused: dict[int, JobdeckError] = {}
        with self._house.writing() as connection:
            turn = Turn.begin(self._house, connection)
            page = Page(connection, operation, by, turn.now, ACT_BYTES)
            found = {job.id: job for job in self._house.jobs(connection, ids)}
            for job_id in dict.fromkeys(ids):
                job = found.get(job_id)
                if job is None:
                    refused[job_id] = JobNotFound(job_id)
                elif not allows(operation, job.state):
                    refused[job_id] = WrongState(job_id, operation, job.state)
                else:
                    try:
                        page.add(*doing(turn, job))
                    except JobdeckError as problem:
                        refused[job_id] = problem
                    else:
                        done.append(job_id)
            for child in cancelled_children(turn, operation, (found[job_id] for job_id in done)):
                page.add(*child, child=True)
            turn.tally.write(connection)
            act = page.write(how)
        return Changes(tuple(done), refused, act, page.undoable - page.children, page.children)

    def limit(self, name: str, limits: Limits, by: By) -> None:
        """See `Store.limit_queue`."""
        with self._house.writing() as connection:
            self._house.alone(connection)
            before, after = arrangements.limits_of(connection, name), [limits.running, limits.rate, limits.period]
            arrangements.set_limits(connection, name, after)
            arrangements.note(connection, arrangements.LIMIT, by, self._house.now(connection), name, before, after)

    def pause(self, name: str | None, by: By) -> list[str]:
        """See `Store.pause_queue` and `Store.pause_queues`; every queue when `None`."""
        with self._house.writing() as connection:
            now = self._house.now(connection)
            names = pauses.going_on(connection) if name is None else [name]
            begun = {each: now for each in names if pauses.pause(connection, each, now)}
            Page.of_queues(connection, pauses.PAUSE, by, now, begun)
            return [*begun]

    def resume(self, name: str | None, by: By) -> list[str]:
        """See `Store.resume_queue` and `Store.resume_queues`; every queue when `None`."""
        with self._house.writing() as connection:
            self._house.alone(connection)
            names = pauses.paused(connection) if name is None else [name]
            ended = {each: at for each in names if (at := pauses.resume(connection, each)) is not None}
            Page.of_queues(connection, pauses.RESUME, by, self._house.now(connection), ended)
            return [*ended]


def cancelled_children(turn: Turn, operation: Operation, parents: Iterable[Job]) -> list[Done]:
    """Tell those that wait for jobs which were cancelled or deleted; returns what it takes to bring back the cancelled."""
    if operation not in _ENDS or not turn.house.any_waits(turn.connection):
        return []
    ended = {job.id: _ENDS[operation] for job in parents if job.state is not State.RUNNING}
    children = turn.house.settle(turn.connection, turn.tally, ended, turn.now)
    return [deeds.child(*child) for child in children.items()]
