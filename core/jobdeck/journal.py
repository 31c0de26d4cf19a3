"""The journal of a queue: who changed what, and how to undo it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .model.errors import JobNotFound
from .model.journal import Actor, JournalEntry, UndoResult
from .store.base import Store


class Journal:
    """`Queue.journal`: lists, undoes and redoes what people and programs did. Keeps the newest 1,000 entries of 30 days."""

    def __init__(self, store: Store, actor: Callable[[str | None], Actor]) -> None:
        self._store = store
        self._actor = actor

    def entries(self, *, limit: int = 50) -> Sequence[JournalEntry]:
        """Return the newest entries, newest first."""
        return self._store.journal.entries(limit)

    def of_job(self, job_id: int) -> Sequence[JournalEntry]:
        """Return the operations on one job, oldest first, from the newer part of the journal. Raises `JobNotFound`."""
        job = self._store.reader.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return self._store.journal.of_job(job_id, job.created_at)

    def undo(self, entry_id: int | None = None, *, of: str | None = None, actor: str | None = None) -> UndoResult:
        """Undo an operation, for every job that has not changed since; the result says why others were refused.

        A cancelled job returns to its place in the queue, a retried one to its old result, an edited one to its old values; a
        deleted one returns under its own id, with its attempts and the newest part of its log. A running job that was asked to
        stop cannot be undone. A schedule returns to its old values; the jobs that it has enqueued since stay, and missed ticks
        are not made up for.

        Args:
            entry_id: the id of the entry; the newest one that was not undone, or tried to be, if `None`.
            of: without an `entry_id`: only an operation of this actor.
            actor: the actor of the undo; the queue's `actor` if `None`.

        Raises:
            NothingToUndo: there is no such operation.
            JournalEntryNotFound: no entry has this id.
            InvalidJournalEntry: it is undone already.
        """
        return self._store.journal.undo(entry_id, by=self._actor(actor).name, actor=of)

    def redo(self, entry_id: int | None = None, *, of: str | None = None) -> UndoResult:
        """Redo an undone operation, for the jobs for which it was undone and which have not changed since.

        Args:
            entry_id: the id of the entry; the last one undone, unless its actor has done something new since, if `None`.
            of: without an `entry_id`: only one that this actor has undone.

        Raises:
            NothingToUndo: there is no such operation.
            JournalEntryNotFound: no entry has this id.
            InvalidJournalEntry: it is not undone.
        """
        return self._store.journal.redo(entry_id, actor=of)
