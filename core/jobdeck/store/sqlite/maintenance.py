"""The care of an SQLite file: pruning, the size of its log, backups, repairs."""

from __future__ import annotations

from pathlib import Path

from ...clock import Clock
from ...model.findings import Finding
from ...model.retention import Rule
from ..integrity import remove_orphans
from ..maintenance import Backup, Care, LogState, Progress
from .backup import write_backup
from .connection import Connections, Translated
from .metrics import fold_metrics
from .pruning import count_prunable, prune
from .repair import end_leases, recount
from .wal import bound_log


class SqliteCare(Care):
    """The care of one file."""

    def __init__(self, connections: Connections, path: Path, clock: Clock) -> None:
        self._connections = connections
        self._path = path.absolute()
        self._clock = clock

    def prune_jobs(self, rule: Rule, limit: int = 500) -> int:
        with self._connections.writing() as connection:
            return prune(connection, rule, self._clock.now(), limit)

    def count_prunable(self, rule: Rule) -> int:
        with self._connections.reading() as connection:
            return count_prunable(connection, rule, self._clock.now())

    def prune_metrics(self) -> None:
        with self._connections.writing() as connection:
            fold_metrics(connection, self._clock.now())
            # Lanes that hold nothing are not worth a look at each claim.
            connection.execute("DELETE FROM jobdeck_counts WHERE n = 0")

    def bound_log(self, limit: int) -> LogState:
        with Translated(self._connections.where):
            return bound_log(self._path, limit)

    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        return write_backup(self._path, path, force=force, progress=progress)

    def repair(self) -> list[Finding]:
        with self._connections.writing() as connection:
            leases = end_leases(connection, self._clock.monotonic())
            return [*recount(connection), *remove_orphans(connection), *leases]
