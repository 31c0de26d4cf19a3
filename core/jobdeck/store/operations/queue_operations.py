"""Pauses, resumes and limits queues, each in one transaction with its journal entry."""

from __future__ import annotations

from ...model.errors import InvalidOption
from ...model.jobs import Limits
from ...model.journal import Actor
from ..backend import Backend, retried
from . import config_changes, pauses
from .journal_writer import UNKNOWN_ACTOR, JournalWriter

_MAX_PERIOD = 31 * 86400.0
"""Seconds: the longest period of a rate."""


class QueueOperations:
    """Changes that people and programs make to queues."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def pause(self, name: str, *, by: Actor = UNKNOWN_ACTOR) -> bool:
        """Claim no more jobs from the queue; return `False` if it was already paused."""
        return bool(self._pause(name, by))

    def pause_all(self, *, by: Actor = UNKNOWN_ACTOR) -> list[str]:
        """Pause every queue that exists now, as one operation; return those that were not paused."""
        return self._pause(None, by)

    def resume(self, name: str, *, by: Actor = UNKNOWN_ACTOR) -> bool:
        """Claim jobs from the queue again; return `False` if it was not paused."""
        return bool(self._resume(name, by))

    def resume_all(self, *, by: Actor = UNKNOWN_ACTOR) -> list[str]:
        """Resume every paused queue, as one operation, and return them."""
        return self._resume(None, by)

    @retried
    def set_limits(self, name: str, limits: Limits, *, by: Actor = UNKNOWN_ACTOR) -> None:
        """Replace the limits of the queue. Journaled if that changes something."""
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            before, after = config_changes.read_limits(connection, name), [limits.running, limits.rate, limits.period]
            config_changes.set_limits(connection, name, after)
            now = self._backend.now(connection)
            config_changes.record_change(connection, config_changes.LIMIT, by, now, name, before, after)
        self._backend.notify()

    @retried
    def _pause(self, name: str | None, by: Actor) -> list[str]:
        with self._backend.write_transaction() as connection:
            now = self._backend.now(connection)
            names = pauses.active_queues(connection) if name is None else [name]
            started = {each: now for each in names if pauses.pause(connection, each, now)}
            JournalWriter.write_queues(connection, pauses.PAUSE, by, now, started)
        return [*started]

    @retried
    def _resume(self, name: str | None, by: Actor) -> list[str]:
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            names = pauses.paused_queues(connection) if name is None else [name]
            ended = {each: at for each in names if (at := pauses.resume(connection, each)) is not None}
            JournalWriter.write_queues(connection, pauses.RESUME, by, self._backend.now(connection), ended)
        if ended:
            self._backend.notify()
        return [*ended]


def make_limits(*, running: int | None = None, rate: int | None = None, period: float | None = None) -> Limits:
    """Check the limits of a queue; the period of a rate is 1 second if omitted.

    Raises:
        InvalidOption: a limit is out of range.
    """
    for name, value in (("number of running jobs", running), ("rate", rate)):
        if value is not None and not (isinstance(value, int) and 1 <= value <= 10**9):
            raise InvalidOption(name, "must be a whole number from 1 on")
    if period is not None and (rate is None or not 0.001 <= period <= _MAX_PERIOD):
        raise InvalidOption("period", "goes with a rate, and must be from 0.001 seconds to 31 days")
    return Limits(running=running, rate=rate, period=(period or 1.0) if rate else None)
