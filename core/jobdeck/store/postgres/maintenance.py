"""The care of a queue on a server: pruning and repairs. What a server does by itself or by its own tools is left to it."""

from __future__ import annotations

import shlex
from pathlib import Path

from ...model.errors import BackupFailed
from ...model.findings import Finding
from ...model.retention import Rule
from ..integrity import remove_orphans
from ..maintenance import Backup, Care, LogState, Progress
from .connection import Connections
from .metrics import fold_metrics
from .pruning import count_prunable, prune
from .repair import end_leases, recount
from .sharded_counters import fold_stripes


class PostgresCare(Care):
    """The care of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def prune_jobs(self, rule: Rule, limit: int = 500) -> int:
        return self._connections.repeat(lambda: self._prune_jobs(rule, limit))

    def _prune_jobs(self, rule: Rule, limit: int) -> int:
        with self._connections.writing() as session:
            return prune(session, rule, self._connections.now(session), limit)

    def count_prunable(self, rule: Rule) -> int:
        with self._connections.reading() as session:
            return count_prunable(session, rule, self._connections.now(session))

    def prune_metrics(self) -> None:
        self._connections.repeat(self._fold_metrics)
        self._connections.repeat(self._fold_stripes)

    def _fold_metrics(self) -> None:
        with self._connections.writing() as session:
            fold_metrics(session, self._connections.now(session))

    def _fold_stripes(self) -> None:
        with self._connections.writing() as session:
            fold_stripes(session)

    def bound_log(self, limit: int) -> LogState:
        return LogState(size=0, held=False)  # the server cares for its log

    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        copy = shlex.join(["pg_dump", "--format=custom", f"--file={path}", self._connections.where])
        raise BackupFailed(path, f"the queue is on a PostgreSQL server, and the server's own program copies it: `{copy}`")

    def repair(self) -> list[Finding]:
        return self._connections.repeat(self._repair)

    def _repair(self) -> list[Finding]:
        with self._connections.writing() as session:
            leases = end_leases(session, self._connections.lease_now(session))
            return [*recount(session), *remove_orphans(session), *leases]
