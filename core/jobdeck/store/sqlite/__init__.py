"""The store in an SQLite file: all of its SQL is in this folder, and in what it shares with PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from random import Random

from ...clock import Clock, SystemClock
from ..base import Store
from ..notifier import SocketNotifier
from .backend import SqliteBackend
from .claim import Claimer
from .complete import Completer
from .connection import Connections
from .dialect import SQLITE
from .enqueue import Enqueuer
from .logs import Logs
from .maintenance import SqliteMaintenance
from .queries import SqliteQueries
from .transitions import Transitions


class SqliteStore(Store):
    """A queue in one SQLite file."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        adopt: bool = False,
    ) -> None:
        """Open the file; create it, or migrate its schema, if needed.

        Args:
            path: the file.
            clock: the store's clock.
            random: the source of leases; seeded by the operating system if `None`.
            synchronous: `FULL` (an acknowledged write survives power loss), `NORMAL` or `OFF`.
            adopt: put the queue into a database that holds another program's tables.

        Raises:
            StoreRefused: the file is not a database, damaged, read-only, another program's or newer.
        """
        clock = clock or SystemClock()
        connections = Connections(path, clock, synchronous, adopt=adopt)
        notifier = SocketNotifier(path)
        backend = SqliteBackend(connections, clock, notifier)
        super().__init__(connections, backend, SQLITE)
        self.enqueuer = Enqueuer(connections, clock, notifier)
        self.claimer = Claimer(connections, clock, random or Random())
        self.completer = Completer(connections, clock, notifier)
        self.transitions = Transitions(connections, clock, notifier)
        self.logs = Logs(connections)
        self.notifier = notifier
        self.queries = SqliteQueries(backend, SQLITE, self.workers)
        self.maintenance = SqliteMaintenance(connections, clock)
