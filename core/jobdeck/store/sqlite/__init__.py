"""The store on an embedded SQLite file: all of its SQL lives in this folder."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random

from ...clock import Clock, SystemClock
from ...model.filter import Condition
from ...model.jobs import Job, NewJob
from ...model.states import State
from ..base import Answerer
from ..metrics.sql_metrics import KeptMeasures
from ..notifier import Doorbell
from ..operations.schedules import KeptSchedules
from ..operations.service import Acts
from ..operations.undo import KeptJournal
from ..queries.diagnostics import KeptInsight
from ..queries.filter_sql import schedule_tail
from ..queries.history import KeptHistory
from ..queries.job_details import Details
from ..sql_store import PartedStore
from ..workers import Workers
from .backend import SqliteHouse
from .caller_transaction import guest
from .claim import Claims
from .connection import Connections
from .dialect import SQLITE
from .enqueue import Intake
from .logs import Logs
from .maintenance import SqliteCare
from .queries import DUE, Looks
from .schedules import PAST
from .transitions import Work


class SqliteStore(PartedStore):
    """A queue in one SQLite file."""

    _due = DUE

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        adopt: bool = False,
    ) -> None:
        """Open the file; make it, or bring its schema up to date, if need be.

        Args:
            path: the file.
            clock: where the store reads the time.
            random: where leases come from; seeded by the operating system when `None`.
            synchronous: `FULL` (an acknowledged write survives power loss), `NORMAL` or `OFF`.
            adopt: put the queue into a database that holds tables of another program.

        Raises:
            StoreRefused: the file is not a database, damaged, read-only, another program's or newer.
        """
        self._clock = clock or SystemClock()
        self._connections = Connections(path, self._clock, synchronous, adopt=adopt)
        self._doorbell = Doorbell(path)
        self._claims = Claims(self._connections, self._clock, random or Random())
        self._work = self._endings = Work(self._connections, self._clock, self._doorbell.ring)
        self._intake = self._for_guests = Intake(self._connections, self._clock)
        self._logs = Logs(self._connections)
        self._house = house = SqliteHouse(self._connections, self._clock)
        self._acts = Acts(house)
        self._looks = Looks(self._connections, self._clock)
        self._details = Details(house)
        self._workers = Workers(house)
        self.measures = KeptMeasures(house, "INDEXED BY jobdeck_failures")
        self.insight = KeptInsight(house, SQLITE, self._workers)
        self.history = KeptHistory(house, SQLITE)
        self._journal = KeptJournal(house, partial(self._ring, True))
        self._care = SqliteCare(self._connections, path, self._clock)
        self.schedules = KeptSchedules(house, PAST, schedule_tail)

    def close(self) -> None:
        self._connections.close()
        self._doorbell.close()

    @property
    def file(self) -> int:
        return self._connections.file

    def renew(self) -> None:
        self._connections.renew()

    def version(self) -> object:
        with self._connections.reading() as connection:
            # The commits of all other connections, and the rows that this one has changed itself.
            return id(connection), connection.pragma("data_version"), connection.total_changes()

    def waiting_since(self) -> float | None:
        return self._connections.waiting_since()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._connections.transaction():
            yield

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        return self._doorbell.listen(wake)

    def answer(self, answerer: Answerer) -> AbstractContextManager[None]:
        return self._doorbell.answer(answerer)

    def ask(self, question: str, timeout: float) -> str | None:
        return self._doorbell.ask(question, timeout)

    def _ring(self, needed: bool) -> None:
        """Wake the workers of all processes, once what woke them can be seen."""
        if needed:
            self._connections.after_commit(self._doorbell.ring)

    @property
    def care(self) -> SqliteCare:
        return self._care

    # -- into the queue -------------------------------------------------------------------------

    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        return self._for_guests.enqueue_in(guest(connection, self._connections), jobs)

    def wake(self) -> None:
        self._doorbell.ring()

    def next_due_at(self) -> float | None:
        return self._looks.next_due_at()

    def append_logs(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        self._logs.append(lines, keep_bytes)

    # -- looking --------------------------------------------------------------------------------

    def list_jobs(self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True) -> list[Job]:
        return self._looks.page(condition, limit, sort, descending)

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        return self._looks.ids(condition, sort, descending, limit)

    def count_jobs(self, condition: Condition) -> int:
        return self._looks.count(condition)

    def count_states(self, condition: Condition) -> dict[State, int]:
        return self._looks.states(condition)
