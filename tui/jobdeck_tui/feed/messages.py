"""What the feed tells the screens: immutable snapshots, and what came of an act."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textual.message import Message

from jobdeck import Act, Attempt, Batch, Explanation, Family, Job, LogLine, Overview, Stack

from ..text.kind_history import KindHistory
from .queries import Look


@dataclass(frozen=True, slots=True)
class View:
    """Which jobs the table wants to see."""

    filter: str = ""
    tab: str = "all"
    """A state's name, or `all`."""
    sort: str = "id"
    descending: bool = True
    top: int = 0
    """The first row on screen."""
    rows: int = 40
    """How many rows fit on the screen."""
    slots: int = 40
    """How many columns the charts have."""
    seconds: float = 600.0
    """How far the charts look back."""

    @property
    def order(self) -> tuple[str, str, str, bool]:
        """What decides which jobs there are, and in which order."""
        return (self.filter, self.tab, self.sort, self.descending)

    @property
    def scope(self) -> tuple[str, str]:
        """What decides which jobs there are, in whatever order."""
        return (self.filter, self.tab)


@dataclass(frozen=True, slots=True)
class Page:
    """The jobs that match a view, and the records of those near the screen."""

    view: View
    """What is shown. While another list is being read, or its filter is wrong, that is not what is wanted."""
    ids: array[int] = field(default_factory=lambda: array("q"))
    jobs: Mapping[int, Job] = field(default_factory=dict)
    problem: str | None = None
    """What is wrong with the filter."""
    column: int = 0
    """Where in the filter."""
    reading: bool = False
    """Whether what is wanted is still being read, and these are the rows from before."""
    wanted: View | None = None
    """What the table asked for."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The worker threads of this very process."""

    threads: int = 0
    worker: str | None = None
    draining: bool = False
    trouble: str | None = None
    """Why they can neither claim nor finish jobs; `None` if they can."""


@dataclass(frozen=True, slots=True)
class Deck:
    """Everything the main screen shows, of one moment."""

    overview: Overview
    page: Page
    pool: Pool = Pool()


@dataclass
class Snapshot(Message):
    """A new look at the queue. A newer one replaces it while it waits."""

    deck: Deck

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Snapshot)


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything the job screen shows, of one moment."""

    at: float
    job: Job | None
    """`None`: it was deleted or pruned."""
    job_id: int
    attempts: tuple[Attempt, ...] = ()
    logs: tuple[LogLine, ...] = ()
    family: Family = field(default_factory=Family)
    aged: int | None = None
    """The priority that it counts as by now; `None` where priorities do not age, or the job is not ready."""
    log_cut: bool = False
    """Whether older lines of the log are left out."""
    why: Explanation | None = None
    """Why it does not run, while it is queued."""
    acts: tuple[Act, ...] = ()
    """What people did to it, oldest first."""
    relatives: Mapping[int, Job] = field(default_factory=dict)
    """The records of the first of the jobs that it came after, and of those that came after it."""
    batch: Batch | None = None
    stack: Stack | None = None
    """Where its code is, while it runs."""
    history: KindHistory | None = None
    """What has become of the jobs of its kind; `None` while nobody looks at that."""


class DetailSnapshot(Message):
    """A new look at the opened job.

    It hands over the newest there is when it is read: one look may hold megabytes, and other messages in between keep a
    newer one from replacing an older one that waits.
    """

    def __init__(self, newest: Callable[[], Detail | None]) -> None:
        super().__init__()
        self._newest = newest

    @property
    def detail(self) -> Detail | None:
        """The newest look, once; `None` where an earlier message has shown it."""
        return self._newest()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, DetailSnapshot)


@dataclass
class Acted(Message):
    """What came of an act, in a sentence for a toast."""

    text: str
    failed: bool = False
    job_id: int | None = None
    """The job that the act made, or that was there in its place."""


@dataclass
class Progressed(Message):
    """How far an act on many jobs has come. A newer one replaces it while it waits."""

    doing: str
    """What is done, such as `retrying`; empty when it has ended."""
    done: int = 0
    refused: int = 0
    total: int = 0
    stoppable: bool = True

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Progressed)


@dataclass
class Explained(Message):
    """Why a job does not run; `None` if it is gone. A newer one replaces it while it waits."""

    job_id: int
    explanation: Explanation | None

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Explained)


@dataclass
class Seen(Message):
    """What a look has read. A newer one replaces it while it waits."""

    look: Look[object]
    value: object

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Seen) and message.look == self.look


@dataclass
class Answered(Message):
    """The answer to a question that a screen has asked once; whoever asked is called with it, on the event loop."""

    answer: Callable[[Any], None]
    value: Any


@dataclass
class Trouble(Message):
    """The database cannot be read; `None` when it can again."""

    text: str | None
    lost: bool = False
    """Whether it is not there any more."""


@dataclass
class Replaced(Message):
    """Another database is there now: what was known of jobs was known of others. Comes before its first snapshot."""


@dataclass
class Drained(Message):
    """The worker threads of this process have ended; `clean` if no job had to be given back."""

    clean: bool
