"""The journal and the past of a queue on another machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ...history import History
from ...journal import Journal
from ...model.events import MAX_RUNS, Event, EventType, Runs
from ...model.journal import JournalEntry, UndoResult
from ...model.metrics import ErrorGroup, Metrics
from ...model.totals import Totals
from ...store.metrics.sql_metrics import FAILURES_READ

Call = Callable[..., Any]


class RemoteJournal(Journal):
    """The journal of a queue on another machine. Operations without an id are those of the caller's own token."""

    def __init__(self, read: Call, change: Call) -> None:
        self._read, self._change = read, change

    def entries(self, *, limit: int = 50) -> Sequence[JournalEntry]:
        return self._read("journal.entries", Sequence[JournalEntry], limit=limit)

    def of_job(self, job_id: int) -> Sequence[JournalEntry]:
        return self._read("journal.of_job", Sequence[JournalEntry], job_id=job_id)

    def undo(self, entry_id: int | None = None, *, of: str | None = None, actor: str | None = None) -> UndoResult:
        return self._change("journal.undo", UndoResult, entry_id=entry_id)

    def redo(self, entry_id: int | None = None, *, of: str | None = None) -> UndoResult:
        return self._change("journal.redo", UndoResult, entry_id=entry_id)


class RemoteHistory(History):
    """The past of a queue on another machine."""

    def __init__(self, read: Call) -> None:
        self._read = read

    def metrics(
        self,
        *,
        seconds: float = 600.0,
        slices: int = 60,
        queue: str | None = None,
        kind: str | None = None,
        by: str | None = None,
    ) -> Metrics:
        return self._read("history.metrics", Metrics, seconds=seconds, slices=slices, queue=queue, kind=kind, by=by)

    def totals(self, *, limit: int = 1000) -> Totals:
        return self._read("history.totals", Totals, limit=limit)

    def oldest_waits(self) -> Mapping[str, float]:
        return self._read("history.oldest_waits", Mapping[str, float])

    def errors(self, *, newest: int = FAILURES_READ) -> Sequence[ErrorGroup]:
        return self._read("history.errors", Sequence[ErrorGroup], newest=newest)

    def runs(self, since: float, until: float | None = None, *, limit: int = MAX_RUNS, slices: int = 100) -> Runs:
        return self._read("history.runs", Runs, since=since, until=until, limit=limit, slices=slices)

    def events(self, *, after: float | None = None, limit: int = 200, only: Collection[EventType] = ()) -> Sequence[Event]:
        return self._read("history.events", Sequence[Event], after=after, limit=limit, only=[*only])
