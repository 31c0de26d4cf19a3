"""Messages from the feed to the screens: immutable snapshots, and the results of actions and queries."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textual.message import Message

from jobdeck import Attempt, Batch, Dependencies, Explanation, Job, JournalEntry, LogLine, Overview, Stack, record

from ..text.kind_history import KindHistory
from .queries import ScreenQuery


@record
class View:
    """The jobs that the table wants to show, and the range of the charts."""

    filter: str = ""
    tab: str = "all"
    """A state's name, or `all`."""
    sort: str = "id"
    descending: bool = True
    top: int = 0
    """The first row on screen."""
    rows: int = 40
    """The number of rows that fit on the screen."""
    slices: int = 40
    """The number of columns of the charts."""
    seconds: float = 600.0
    """The time range of the charts."""

    @property
    def order(self) -> tuple[str, str, str, bool]:
        """The part of the view that selects the jobs and their order."""
        return (self.filter, self.tab, self.sort, self.descending)

    @property
    def scope(self) -> tuple[str, str]:
        """The part of the view that selects the jobs, in any order."""
        return (self.filter, self.tab)


@record
class JobsPage:
    """The jobs that match a view, and the records of those near the screen."""

    view: View
    """The view on screen. It differs from `wanted` while that list is being read, or if its filter is invalid."""
    ids: array[int] = field(default_factory=lambda: array("q"))
    jobs: Mapping[int, Job] = field(default_factory=dict)
    problem: str | None = None
    """What is wrong with the filter."""
    column: int = 0
    """The position of the problem in the filter."""
    reading: bool = False
    """`True` if the wanted list is still being read, and these are the previous rows."""
    wanted: View | None = None
    """The view that the table requested."""


@record
class LocalWorker:
    """The worker threads of this process."""

    threads: int = 0
    worker: str | None = None
    draining: bool = False
    error: str | None = None
    """Why they can neither claim nor finish jobs; `None` if they can."""


@record
class DashboardSnapshot:
    """Everything the main screen shows, at one moment."""

    overview: Overview
    page: JobsPage
    local_worker: LocalWorker = LocalWorker()


@dataclass
class Snapshot(Message):
    """A snapshot of the queue. A newer one replaces it while it waits."""

    deck: DashboardSnapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Snapshot)


@record
class Detail:
    """Everything the job screen shows, at one moment."""

    at: float
    job: Job | None
    """`None`: it was deleted or pruned."""
    job_id: int
    attempts: tuple[Attempt, ...] = ()
    logs: tuple[LogLine, ...] = ()
    dependencies: Dependencies = field(default_factory=Dependencies)
    effective_priority: int | None = None
    """The effective priority by now; `None` if priorities do not age, or the job is not ready."""
    log_cut: bool = False
    """`True` if older lines of the log are omitted."""
    why: Explanation | None = None
    """The reasons why a queued job does not run."""
    journal_entries: tuple[JournalEntry, ...] = ()
    """The journal entries that concern it, oldest first."""
    related_jobs: Mapping[int, Job] = field(default_factory=dict)
    """The records of the first of its parents and of the first of its children."""
    batch: Batch | None = None
    stack: Stack | None = None
    """The stack of its code, while it runs."""
    history: KindHistory | None = None
    """The history of its kind; `None` while that is not shown."""


class DetailSnapshot(Message):
    """A snapshot of the opened job.

    Returns the newest snapshot when it is read: one may hold megabytes, and messages in between can keep a newer message from
    replacing an older one that waits.
    """

    def __init__(self, newest: Callable[[], Detail | None]) -> None:
        super().__init__()
        self._newest = newest

    @property
    def detail(self) -> Detail | None:
        """The newest snapshot, once; `None` if an earlier message has returned it."""
        return self._newest()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, DetailSnapshot)


@dataclass
class ActionFinished(Message):
    """The result of an action, as text for a toast."""

    text: str
    failed: bool = False
    job_id: int | None = None
    """The job that the action created, or the existing one that took its place."""


@dataclass
class ActionProgress(Message):
    """The progress of a bulk action. A newer one replaces it while it waits."""

    action: str
    """The action, such as `retrying`; empty when it has finished."""
    done: int = 0
    refused: int = 0
    total: int = 0
    stoppable: bool = True

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ActionProgress)


@dataclass
class Explained(Message):
    """Why a job does not run; `None` if it no longer exists. A newer one replaces it while it waits."""

    job_id: int
    explanation: Explanation | None

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Explained)


@dataclass
class QueryResult(Message):
    """The result of a polled query. A newer one replaces it while it waits."""

    query: ScreenQuery[object]
    value: object

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, QueryResult) and message.query == self.query


@dataclass
class Reply(Message):
    """The result of a query that a screen ran once; its `answer` callback is called on the event loop."""

    callback: Callable[[Any], None]
    value: Any


@dataclass
class DatabaseUnavailable(Message):
    """The database cannot be read; `text` is `None` when it is readable again."""

    text: str | None
    lost: bool = False
    """`True` if it no longer exists."""


@dataclass
class DatabaseReplaced(Message):
    """Another database replaced the previous one, so all known jobs are invalid. Comes before its first snapshot."""


@dataclass
class Drained(Message):
    """The worker threads of this process have ended; `clean` if no job had to be released."""

    clean: bool
