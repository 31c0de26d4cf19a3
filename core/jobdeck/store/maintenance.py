"""The maintenance of a store: prune old rows, keep the write-ahead log small, back up, repair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from ..model.findings import Finding
from ..model.record_class import record
from ..model.retention import RetentionRule
from .damaged_rows import DamagedRow

Progress = Callable[[int, int], None]
"""Called with the completed amount and the total."""


@record
class WalState:
    """The write-ahead log of the database after a checkpoint."""

    size: int
    """Bytes of its file."""
    held: bool
    """`True` if a reader, or another program that checkpoints it, prevented a complete checkpoint."""


@record
class Backup:
    """A copy of the queue, checked and complete."""

    path: Path
    size: int
    """Bytes."""
    jobs: int
    """The number of jobs in it."""


class StoreMaintenance(ABC):
    """Maintains one store."""

    @abstractmethod
    def prune_jobs(self, rule: RetentionRule, limit: int = 500) -> int:
        """Delete up to `limit` final jobs that the rule excludes, the oldest first, with all their rows, in one transaction.

        A job that others still wait for stays. A batch is deleted with the last of its jobs. Returns the number of deleted
        jobs.
        """

    @abstractmethod
    def count_prunable(self, rule: RetentionRule) -> int:
        """Return the number of jobs that pruning by the rule would delete now."""

    @abstractmethod
    def prune_metrics(self) -> None:
        """Roll up old metrics into wider slots, and delete the oldest, so that they stay small."""

    @abstractmethod
    def checkpoint(self, limit: int) -> WalState:
        """Checkpoint and truncate the write-ahead log if it is larger than `limit` bytes.

        Waits for other programs for a moment only, so a reader may still hold the log.
        """

    @abstractmethod
    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        """Write a checked copy of the queue, as it is now, to a new file, while others keep using it.

        Raises:
            BackupFailed: a file with this name exists (`force` replaces it), or the copy failed.
        """

    @abstractmethod
    def repair_rows(self) -> Sequence[DamagedRow]:
        """Repair the rows that cannot be read, and return them as they were. Reads every row."""

    @abstractmethod
    def repair(self) -> list[Finding]:
        """Repair damaged rows, recompute the depth counters and delete orphaned rows; return what was wrong."""
