"""The store on a PostgreSQL server: all of its SQL is in this folder, and in what it shares with SQLite.

It needs the driver `psycopg` (the extra `postgres`), so it is imported only if an address names a server.
"""

from __future__ import annotations

from random import Random

from ...clock import Clock
from ..base import Store
from .backend import PostgresBackend
from .claim import Claimer
from .complete import Completer
from .connection import Connections
from .dialect import POSTGRES
from .dsn import Address
from .enqueue import Enqueuer
from .logs import Logs
from .maintenance import PostgresMaintenance
from .notifier import PostgresNotifier
from .queries import PostgresQueries
from .transitions import Transitions


class PostgresStore(Store):
    """A queue in a schema of a PostgreSQL database."""

    def __init__(
        self,
        where: str,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        create: bool = True,
    ) -> None:
        """Connect; create the tables, or migrate them, if needed.

        Args:
            where: the address, `postgresql://…`; a schema other than the user's first by
                `?options=-csearch_path%3Dname`.
            clock: the store's clock; the server's, which is the same for all workers, if `None`.
            random: the source of leases; seeded by the operating system if `None`.
            synchronous: `FULL` (an acknowledged write survives a crash of the server's machine, if the server is configured
                for it); with `NORMAL` or `OFF` a crash may lose the last writes.
            create: create the tables if they do not exist.

        Raises:
            StoreRefused: the server is unreachable, or the database cannot be used as it is.
        """
        connections = Connections(Address.read(where), clock, synchronous, create=create)
        notifier = PostgresNotifier(connections)
        backend = PostgresBackend(connections, notifier)
        super().__init__(connections, backend, POSTGRES)
        self.enqueuer = Enqueuer(connections, notifier)
        self.claimer = Claimer(connections, random or Random())
        self.completer = Completer(connections, notifier)
        self.transitions = Transitions(connections, notifier)
        self.logs = Logs(connections)
        self.notifier = notifier
        self.queries = PostgresQueries(backend, POSTGRES, self.workers)
        self.maintenance = PostgresMaintenance(connections, backend)
        self._protect()
