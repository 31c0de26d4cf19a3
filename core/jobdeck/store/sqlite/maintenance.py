"""Maintains an SQLite file: prunes, checkpoints, backs up, repairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...clock import Clock
from ...model.errors import RowRefused, StoreRefused
from ...model.findings import Finding
from ...model.retention import RetentionRule
from ..backend import Backend
from ..damaged_rows import DamagedRow, repair_damaged_rows, summarize_repairs
from ..integrity import remove_orphans
from ..maintenance import Backup, Progress, StoreMaintenance, WalState
from .backup import write_backup
from .connection import Connections
from .errors import ErrorTranslator
from .metrics import roll_up_metrics
from .pruning import count_prunable, prune
from .repair import end_leases, rebuilt_indexes, recount
from .row_sql import ROW_SQL
from .wal import checkpoint


class SqliteMaintenance(StoreMaintenance):
    """Maintains one file."""

    def __init__(self, connections: Connections, backend: Backend, clock: Clock) -> None:
        self._connections = connections
        self._backend = backend
        self._clock = clock

    def prune_jobs(self, rule: RetentionRule, limit: int = 500) -> int:
        with self._connections.write_transaction() as connection:
            return prune(connection, rule, self._clock.now(), limit)

    def count_prunable(self, rule: RetentionRule) -> int:
        with self._connections.read_transaction() as connection:
            return count_prunable(connection, rule, self._clock.now())

    def prune_metrics(self) -> None:
        with self._connections.write_transaction() as connection:
            roll_up_metrics(connection, self._clock.now())
            # Each claim reads all lanes, so empty ones are deleted.
            connection.execute("DELETE FROM jobdeck_counts WHERE n = 0")

    def checkpoint(self, limit: int) -> WalState:
        self._connections.check()
        with ErrorTranslator(self._connections.where):
            return checkpoint(self._connections.path, limit)

    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        connections = self._connections
        return write_backup(connections.path, connections.snapshot(), path, force=force, progress=progress)

    def repair_rows(self) -> Sequence[DamagedRow]:
        try:
            return self._repair_rows()
        except (StoreRefused, RowRefused):
            # An index still holds what a flipped bit has changed in its table, or cannot hold what the row has now. If more is
            # damaged, this fails as well.
            with self._connections.write_transaction() as connection, rebuilt_indexes(connection):
                return self._repair_rows()

    def _repair_rows(self) -> Sequence[DamagedRow]:
        with self._connections.write_transaction() as connection:
            return repair_damaged_rows(self._backend, connection, ROW_SQL, recount(connection))

    def repair(self) -> list[Finding]:
        rows = summarize_repairs(self.repair_rows())
        with self._connections.write_transaction() as connection:
            leases = end_leases(connection, self._clock.monotonic(), self._clock.boot())
            return [*rows, *recount(connection), *remove_orphans(connection), *leases]
