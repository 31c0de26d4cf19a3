"""The store on a PostgreSQL server: all of its SQL lives in this folder, and in what it shares with SQLite.

It needs the driver `psycopg` (the extra `postgres`), and so is imported only where an address names such a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ...clock import Clock
from ..metrics.sql_metrics import KeptMeasures
from ..operations.schedules import KeptSchedules
from ..operations.service import Acts
from ..operations.undo import KeptJournal
from ..queries.diagnostics import KeptInsight
from ..queries.filter_sql import schedule_tail
from ..queries.history import KeptHistory
from ..queries.job_details import Details
from ..sql_store import PartedStore
from ..workers import Workers
from . import logs
from .backend import PostgresHouse
from .claim import Claims
from .complete import Endings
from .connection import Connections
from .dialect import POSTGRES
from .dsn import Address
from .enqueue import Intake
from .lifecycle import Hosting
from .maintenance import PostgresCare
from .notifier import Bell
from .queries import DUE, Looking
from .schedules import PAST
from .transitions import Work


class PostgresStore(Looking, Hosting, PartedStore):
    """A queue in a schema of a PostgreSQL database."""

    _due = DUE

    def __init__(
        self,
        where: str,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        create: bool = True,
    ) -> None:
        """Connect; make the tables, or bring them up to date, if need be.

        Args:
            where: the address, `postgresql://…`; a schema other than the user's first by
                `?options=-csearch_path%3Dname`.
            clock: where the store reads the time; the server's clock when `None`, which is the same for all workers.
            random: where leases come from; seeded by the operating system when `None`.
            synchronous: `FULL` (an acknowledged write survives a crash of the server's machine, as far as the server is set
                up for it); with `NORMAL` or `OFF` the last moments may be lost then.
            create: make the tables where there are none.

        Raises:
            StoreRefused: it cannot be reached, or cannot be used as it is.
        """
        address = Address.read(where)
        self._connections = Connections(address, clock, synchronous, create=create)
        self._bell = Bell(self._connections)
        self._claims = Claims(self._connections, random or Random())
        self._endings = Endings(self._connections, self._bell.ring)
        self._work = Work(self._connections, self._endings)
        self._intake = self._for_guests = Intake(self._connections)
        self._house = house = PostgresHouse(self._connections)
        self._acts = Acts(house)
        self._journal = KeptJournal(house, self._bell.ring)
        self._details = Details(house)
        self._workers = Workers(house)
        self.measures = KeptMeasures(house)
        self.insight = KeptInsight(house, POSTGRES, self._workers)
        self.history = KeptHistory(house, POSTGRES)
        self.schedules = KeptSchedules(house, PAST, schedule_tail)
        self._care = PostgresCare(self._connections)

    def _ring(self, needed: bool) -> None:
        """Wake the workers of all processes, once what woke them can be seen."""
        if needed:
            self._bell.ring()

    @property
    def care(self) -> PostgresCare:
        return self._care

    def append_logs(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        def act() -> None:
            with self._connections.writing() as session:
                logs.append(session, lines, keep_bytes)

        self._once(act)
