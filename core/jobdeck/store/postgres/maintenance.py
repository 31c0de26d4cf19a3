"""Maintains a queue on a server: prunes and repairs. The server's own programs do the rest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ...model.errors import BackupFailed
from ...model.findings import Finding
from ...model.retention import RetentionRule
from ..backend import Backend
from ..damaged_rows import DamagedRow, repair_damaged_rows, summarize_repairs
from ..integrity import remove_orphans
from ..maintenance import Backup, Progress, StoreMaintenance, WalState
from .connection import Connections, retried
from .metrics import roll_up_metrics
from .pruning import count_prunable, prune
from .repair import end_leases, recount
from .row_sql import ROW_SQL
from .sharded_counters import fold_shards


class PostgresMaintenance(StoreMaintenance):
    """Maintains one database."""

    def __init__(self, connections: Connections, backend: Backend) -> None:
        self._connections = connections
        self._backend = backend

    @retried
    def prune_jobs(self, rule: RetentionRule, limit: int = 500) -> int:
        with self._connections.write_transaction() as session:
            return prune(session, rule, self._connections.now(session), limit)

    def count_prunable(self, rule: RetentionRule) -> int:
        with self._connections.read_transaction() as session:
            return count_prunable(session, rule, self._connections.now(session))

    def prune_metrics(self) -> None:
        self._roll_up_metrics()
        self._fold_shards()

    @retried
    def _roll_up_metrics(self) -> None:
        with self._connections.write_transaction() as session:
            roll_up_metrics(session, self._connections.now(session))

    @retried
    def _fold_shards(self) -> None:
        with self._connections.write_transaction() as session:
            fold_shards(session)

    def checkpoint(self, limit: int) -> WalState:
        return WalState(size=0, held=False)  # the server maintains its own log

    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        copy = shlex.join(["pg_dump", "--format=custom", f"--file={path}", self._connections.where])
        raise BackupFailed(path, f"the queue is on a PostgreSQL server, and the server's own program copies it: `{copy}`")

    @retried
    def repair_rows(self) -> Sequence[DamagedRow]:
        with self._connections.write_transaction() as session:
            return repair_damaged_rows(self._backend, session, ROW_SQL, recount(session))

    @retried
    def repair(self) -> list[Finding]:
        with self._connections.write_transaction() as session:
            rows = summarize_repairs(self.repair_rows())
            leases = end_leases(session, self._connections.lease_now(session))
            return [*rows, *recount(session), *remove_orphans(session), *leases]
