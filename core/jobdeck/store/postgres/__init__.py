"""The store on a PostgreSQL server: all of its SQL is in this folder, and in what it shares with SQLite.

It needs the driver `psycopg` (the extra `postgres`), so it is imported only if an address names a server.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ...clock import Clock
from ..base import Store
from .backend import PostgresBackend
from .connection import Connections
from .dialect import POSTGRES
from .dsn import Address
from .enqueue import Enqueuer
from .notifier import PostgresNotifier

if TYPE_CHECKING:
    from .claim import Claimer
    from .complete import Completer
    from .logs import Logs
    from .maintenance import PostgresMaintenance
    from .queries import PostgresQueries
    from .transfer import PostgresTransfer
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
        readonly: bool = False,
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
            readonly: only read the tables, as a user who may do no more, or on a standby.

        Raises:
            StoreRefused: the server is unreachable, or the database cannot be used as it is.
        """
        self._random = random or Random()
        self._server = Connections(Address.read(where), clock, synchronous, create=create, readonly=readonly)
        self._channel = PostgresNotifier(self._server)
        super().__init__(self._server, PostgresBackend(self._server, self._channel), POSTGRES, readonly=readonly)
        self.enqueuer = self._row_guard.protect(Enqueuer(self._server, self._channel), writes=True)
        self.notifier = self._channel

    def _make_claimer(self) -> Claimer:
        from .claim import Claimer

        return Claimer(self._server, self._random)

    def _make_completer(self) -> Completer:
        from .complete import Completer

        return Completer(self._server, self._channel)

    def _make_transitions(self) -> Transitions:
        from .transitions import Transitions

        return Transitions(self._server, self._channel)

    def _make_logs(self) -> Logs:
        from .logs import Logs

        return Logs(self._server)

    def _make_queries(self) -> PostgresQueries:
        from .queries import PostgresQueries

        return PostgresQueries(self._backend, POSTGRES, self.workers)

    def _make_maintenance(self) -> PostgresMaintenance:
        from .maintenance import PostgresMaintenance

        return PostgresMaintenance(self._server, self._backend)

    def _make_transfer(self) -> PostgresTransfer:
        from .transfer import PostgresTransfer

        return PostgresTransfer(self._backend)
