"""Maintains an SQLite file: prunes, checkpoints, backs up, repairs."""

from __future__ import annotations

from pathlib import Path

from ...clock import Clock
from ...model.findings import Finding
from ...model.retention import RetentionRule
from ..integrity import remove_orphans
from ..maintenance import Backup, Progress, StoreMaintenance, WalState
from .backup import write_backup
from .connection import Connections
from .errors import ErrorTranslator
from .metrics import roll_up_metrics
from .pruning import count_prunable, prune
from .repair import end_leases, recount
from .wal import checkpoint


class SqliteMaintenance(StoreMaintenance):
    """Maintains one file."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
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
        self._connections.check()
        return write_backup(self._connections.path, path, force=force, progress=progress)

    def repair(self) -> list[Finding]:
        with self._connections.write_transaction() as connection:
            leases = end_leases(connection, self._clock.monotonic())
            return [*recount(connection), *remove_orphans(connection), *leases]
