"""The care of a queue: keep its history small, copy it while it is used, look it over."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..clock import Clock, SystemClock
from ..model.errors import InvalidOption, StoreError
from ..model.findings import Finding, Severity
from ..model.retention import FINAL_STATES, Rule
from ..model.states import FINAL, State
from ..settings import Settings
from ..store.base import Store
from ..store.connect import check_store, is_server
from ..store.maintenance import Backup, Progress

BREATH = 0.002
"""Seconds between two steps of pruning, in which other processes write."""


class Maintenance:
    """`Queue.care`: everything about the queue's health that is not about any one job."""

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
        """Remove final jobs with their attempts and logs, the oldest first, in short transactions.

        Jobs that others still wait for stay. What has been removed when an error or an interrupt comes stays so.

        Args:
            older_than: seconds since a job became final.
            keep: how many of the newest of each state to keep at most. Without both of these the settings decide:
                JOBDECK_RETENTION, JOBDECK_RETENTION_FAILED, JOBDECK_KEEP.
            states: the final states to prune.
            dry_run: only count.
            progress: told, after each step, how many jobs were removed and of how many.

        Returns:
            How many jobs of each state were removed, or would be.

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
            time.sleep(BREATH)
        self._store.maintenance.prune_metrics()
        return removed

    def _rules(self, older_than: float | None, keep: int | None, states: Sequence[State]) -> Sequence[Rule]:
        for state in states:
            if state not in FINAL:
                raise InvalidOption("state", f"must be one of {', '.join(FINAL_STATES)}, not {state}")
        if older_than is not None and not older_than >= 0:
            raise InvalidOption("age", "must not be negative")
        if keep is not None and keep < 0:
            raise InvalidOption("number of jobs to keep", "must not be negative")
        if older_than is None and keep is None:
            return rules_of(self._settings, states)
        return [Rule(state, older_than, keep) for state in states]

    def backup(self, path: str | Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
        """Write a copy of the queue, as it is at this moment, to a new file. Others go on meanwhile.

        The copy is checked page by page and index by index before it gets its name. To use it, give it as the
        database; jobs that were running when it was made run again.

        Args:
            path: the file to write. Its folder must exist.
            force: replace a file of this name.
            progress: told how many pages are copied, and of how many.

        Raises:
            BackupFailed: there is a file of this name, or the copy could not be made. Nothing was changed. A queue on a server
                is copied by the server's own program, which this then names.
        """
        return self._store.maintenance.backup(Path(path).expanduser(), force=force, progress=progress)

    def doctor(self, *, full: bool = False) -> Sequence[Finding]:
        """Look the queue over; see the function `doctor`."""
        return doctor(self._where, settings=self._settings, clock=self._clock, full=full)

    def repair(self) -> Sequence[Finding]:
        """Mend what can be mended without a doubt, in one transaction; says what was wrong.

        The depth counters are counted anew, and attempts, logs and dependencies of jobs that are gone are removed.
        Writers of a file wait meanwhile, about a second for each million jobs; those of a server do not.
        """
        return self._store.maintenance.repair()


def doctor(
    database: str | Path | None = None, *, settings: Settings | None = None, clock: Clock | None = None, full: bool = False
) -> Sequence[Finding]:
    """Look a queue over without changing it: its file and where that lies, or its server; what is in it, and the clocks.

    What cannot be a queue, or cannot be reached, is a finding too, not an error.

    Args:
        database: a path, `sqlite:///path`, or `postgresql://user@host/database`; JOBDECK_DATABASE when `None`.
        settings: read from the environment and `.env` when `None`.
        clock: where the time is read; the machine's when `None`.
        full: check every index against its table as well, which takes several times longer.

    Raises:
        InvalidSetting: an environment variable cannot be used.
    """
    settings = settings or Settings.load()
    where = str(database or settings.database)
    try:
        return check_store(where, settings, clock or SystemClock(), full=full)
    except StoreError as error:
        named = "database" if is_server(where) else "file"
        return [Finding("database", Severity.PROBLEM, str(error), f"Name the queue's {named} with --db or JOBDECK_DATABASE.")]


def prune_steps(store: Store, rules: Iterable[Rule]) -> Iterator[tuple[State, int]]:
    """Prune by the rules, one transaction for each item taken: the state, and how many jobs went."""
    for rule in rules:
        if rule.bounds:
            while n := store.maintenance.prune_jobs(rule):
                yield rule.state, n


def rules_of(settings: Settings, states: Iterable[State] = FINAL_STATES) -> tuple[Rule, ...]:
    """The rules that the settings make: 0 in them stands for no bound."""
    return tuple(
        Rule(state, (settings.retention_failed if state is State.FAILED else settings.retention) or None, settings.keep or None)
        for state in states
    )
