"""Maintenance of a queue: prune its history, back it up while in use, check it, and repair it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..clock import Clock, SystemClock, time
from ..model.address import DatabaseAddress
from ..model.errors import BackupFailed, InvalidOption, StoreError, StoreRefused
from ..model.findings import Finding, Severity
from ..model.retention import FINAL_STATES, RetentionRule
from ..model.states import FINAL, State
from ..settings import Settings
from ..store.base import Store
from ..store.connect import check_store
from ..store.maintenance import Backup, Progress

PRUNE_PAUSE = 0.002
"""Seconds between two steps of pruning, during which other processes can write."""


class Maintenance:
    """Prunes, backs up, checks and repairs a queue. Available as `Queue.maintenance`."""

    def __init__(self, where: str, store: Store, settings: Settings, clock: Clock) -> None:
        self._where = where
        self._store = store
        self._settings = settings
        self._clock = clock

    def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        states: Iterable[State] = FINAL_STATES,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Mapping[State, int]:
        """Delete final jobs with their attempts and logs, oldest first, in short transactions.

        Jobs that other jobs wait for are kept. Deletions made before an error or an interrupt are permanent.

        Args:
            older_than: the minimum age in seconds, counted from when a job became final.
            keep: the maximum number of jobs to keep in each state, newest first. If neither is given, the settings apply:
                JOBDECK_RETENTION, JOBDECK_RETENTION_FAILED, JOBDECK_RETENTION_COUNT.
            states: the final states to prune.
            dry_run: count the jobs without deleting them.
            progress: called after each step with the number of deleted jobs and the total.

        Returns:
            The number of jobs deleted, or to be deleted, by state.

        Raises:
            InvalidOption: a bound is negative, or a state is not final.
        """
        rules = self._rules(older_than, keep, [*states])
        removed = {rule.state: 0 for rule in rules}
        if dry_run:
            return {rule.state: self._store.maintenance.count_prunable(rule) for rule in rules}
        total = sum(self._store.maintenance.count_prunable(rule) for rule in rules) if progress is not None else 0
        for state, n in prune_steps(self._store, rules):
            removed[state] += n
            if progress is not None:
                done = sum(removed.values())
                progress(done, max(done, total))
            time.sleep(PRUNE_PAUSE)
        self._store.maintenance.prune_metrics()
        return removed

    def _rules(self, older_than: float | None, keep: int | None, states: Sequence[State]) -> Sequence[RetentionRule]:
        for state in states:
            if state not in FINAL:
                raise InvalidOption("state", f"must be one of {', '.join(FINAL_STATES)}, not {state}")
        if older_than is not None and not older_than >= 0:
            raise InvalidOption("age", "must not be negative")
        if keep is not None and keep < 0:
            raise InvalidOption("number of jobs to keep", "must not be negative")
        if older_than is None and keep is None:
            return pruning_rules(self._settings, states)
        return [RetentionRule(state, older_than, keep) for state in states]

    def backup(self, path: str | Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        """Write a consistent copy of the queue to a new file while other processes use it.

        Every page and index of the copy is checked before it gets its final name. Use the copy as a database as it is; jobs
        that were running at the time of the backup run again.

        Args:
            path: the file to write. Its directory must exist.
            force: replace an existing file.
            progress: called with the number of copied pages and the total.

        Raises:
            BackupFailed: the file exists, or the copy could not be written. Nothing was changed. For a queue on a server,
                the message names the server's own backup program.
        """
        try:
            file = DatabaseAddress.parse(str(path)).file
        except StoreRefused as error:  # a mistyped address of a server must not become the name of a file
            raise BackupFailed(Path(error.where), error.problem) from None
        if file is None:
            raise BackupFailed(Path("that address"), "it is not a file")
        try:
            file.absolute()
        except FileNotFoundError:
            raise BackupFailed(file, "the current folder was deleted; give an absolute path") from None
        return self._store.maintenance.backup(file, force=force, progress=progress)

    def doctor(self, *, full: bool = False) -> Sequence[Finding]:
        """Check the queue; see the function `doctor`."""
        return doctor(self._where, settings=self._settings, clock=self._clock, full=full)

    def repair(self) -> Sequence[Finding]:
        """Repair what can be repaired safely, in one transaction; return what was wrong.

        Recomputes the depth counters, and deletes attempts, logs and dependencies of deleted jobs. Blocks writers to a file
        meanwhile, for about a second per million jobs; writers to a server are not blocked.
        """
        return self._store.maintenance.repair()


def doctor(
    database: str | Path | None = None, *, settings: Settings | None = None, clock: Clock | None = None, full: bool = False
) -> Sequence[Finding]:
    """Check a queue without changing it: its file and file system or its server, its data, and the clocks.

    A database that is unreachable or not a queue is reported as a finding, not raised as an error.

    Args:
        database: the address, as for `Queue` (default JOBDECK_DATABASE).
        settings: the settings (default: read from the environment and `.env`).
        clock: the clock (default that of this machine).
        full: also check every index against its table, which takes several times longer.

    Raises:
        InvalidSetting: an environment variable is invalid.
    """
    settings = settings or Settings.load()
    noun = "database"
    try:
        address = DatabaseAddress.parse(str(database or settings.database))
        noun = "database" if address.file is None else "file"
        return check_store(address, settings, clock or SystemClock(), full=full)
    except StoreError as error:
        return [Finding("database", Severity.PROBLEM, str(error), f"Set the queue's {noun} with --db or JOBDECK_DATABASE.")]


def prune_steps(store: Store, rules: Iterable[RetentionRule]) -> Iterator[tuple[State, int]]:
    """Prune by the rules; yield the state and the number of deleted jobs after each transaction."""
    for rule in rules:
        if rule.has_bounds:
            while n := store.maintenance.prune_jobs(rule):
                yield rule.state, n


def pruning_rules(settings: Settings, states: Iterable[State] = FINAL_STATES) -> tuple[RetentionRule, ...]:
    """Return the pruning rules of the settings; 0 in a setting means no limit."""
    return tuple(
        RetentionRule(
            state,
            (settings.retention_failed if state is State.FAILED else settings.retention) or None,
            settings.retention_count or None,
        )
        for state in states
    )
