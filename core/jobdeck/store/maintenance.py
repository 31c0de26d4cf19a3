"""What a store does to stay healthy: forget what is old, keep its log small, copy itself, mend what can be counted anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..model.findings import Finding
from ..model.retention import Rule

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class LogState:
    """The write-ahead log of the database, after what was done about it."""

    size: int
    """Bytes of its file now."""
    held: bool
    """Whether a reader, or another program that cares for it, kept it from being folded into the database."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the queue, checked and in its place."""

    path: Path
    size: int
    """Bytes."""
    jobs: int
    """How many jobs it holds."""


class Care(ABC):
    """The care of one store."""

    @abstractmethod
    def prune_jobs(self, rule: Rule, limit: int = 500) -> int:
        """Remove up to `limit` final jobs that the rule excludes, the oldest first, with all that belongs to them.

        A job that others still wait for stays. A batch goes with the last of its jobs. Returns how many jobs
        were removed, in one transaction.
        """

    @abstractmethod
    def count_prunable(self, rule: Rule) -> int:
        """How many jobs pruning by the rule would remove by now."""

    @abstractmethod
    def prune_metrics(self) -> None:
        """Fold old metrics into coarser slots, and drop the oldest, so that they stay small."""

    @abstractmethod
    def bound_log(self, limit: int) -> LogState:
        """Where the write-ahead log is larger than `limit` bytes, fold it into the database and cut it.

        Waits for nobody longer than a moment, and so may find that a reader holds it.
        """

    @abstractmethod
    def backup(self, path: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        """Write a checked copy of the queue, as it is at this moment, to a new file; others go on meanwhile.

        Raises:
            BackupFailed: there is a file of this name (`force` replaces it), or the copy could not be made.
        """

    @abstractmethod
    def repair(self) -> list[Finding]:
        """Count the depth counters anew and remove what belongs to no job; says what was wrong."""
