"""The store in an SQLite file: all of its SQL is in this folder, and in what it shares with PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ...clock import Clock, SystemClock
from ..base import Store
from ..notifier import SocketNotifier
from .backend import SqliteBackend
from .connection import Connections
from .dialect import SQLITE
from .enqueue import Enqueuer

if TYPE_CHECKING:
    from ..damaged_rows import DamagedRow
    from .claim import Claimer
    from .complete import Completer
    from .logs import Logs
    from .maintenance import SqliteMaintenance
    from .queries import SqliteQueries
    from .transfer import SqliteTransfer
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
        readonly: bool = False,
    ) -> None:
        """Open the file; create it, or migrate its schema, if needed.

        Args:
            path: the file.
            clock: the store's clock.
            random: the source of leases; seeded by the operating system if `None`.
            synchronous: `FULL` (an acknowledged write survives power loss), `NORMAL` or `OFF`.
            adopt: put the queue into a database that holds another program's tables.
            readonly: only read the file, which may be one that this user cannot write to.

        Raises:
            StoreRefused: the file is not a database, damaged, read-only, another program's or newer.
        """
        self._clock = clock or SystemClock()
        self._random = random or Random()
        if readonly:
            from .read_only import ReadOnlyConnections

            self._file: Connections = ReadOnlyConnections(path, self._clock, repair=_repair_file)
        else:
            self._file = Connections(path, self._clock, synchronous, adopt=adopt)
        self._sockets = SocketNotifier(path)
        super().__init__(self._file, SqliteBackend(self._file, self._clock, self._sockets), SQLITE, readonly=readonly)
        self.enqueuer = self._row_guard.protect(Enqueuer(self._file, self._clock, self._sockets), writes=True)
        self.notifier = self._sockets

    def _make_claimer(self) -> Claimer:
        from .claim import Claimer

        return Claimer(self._file, self._clock, self._random)

    def _make_completer(self) -> Completer:
        from .complete import Completer

        return Completer(self._file, self._clock, self._sockets)

    def _make_transitions(self) -> Transitions:
        from .transitions import Transitions

        return Transitions(self._file, self._clock, self._sockets)

    def _make_logs(self) -> Logs:
        from .logs import Logs

        return Logs(self._file)

    def _make_queries(self) -> SqliteQueries:
        from .queries import SqliteQueries

        return SqliteQueries(self._backend, SQLITE, self.workers)

    def _make_maintenance(self) -> SqliteMaintenance:
        from .maintenance import SqliteMaintenance

        return SqliteMaintenance(self._file, self._backend, self._clock)

    def _make_transfer(self) -> SqliteTransfer:
        from .transfer import SqliteTransfer

        return SqliteTransfer(self._backend)


def _repair_file(path: Path) -> Sequence[DamagedRow]:
    """Migrate the schema of a file that nobody else uses, and repair its rows; return them as they were."""
    store = SqliteStore(path, synchronous="OFF")
    try:
        return store.maintenance.repair_rows()
    finally:
        store.close()
