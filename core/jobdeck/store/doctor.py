"""The checks of a queue's data in every store: counters, leases, workers, clocks, rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from ..json_functions import json
from ..model.findings import Finding, Severity
from ..settings import Settings
from .damaged_rows import RowSql, describe_rows, find_damaged_rows
from .integrity import LONGEST_LEASE, format_count, miscounts, orphans

CheckResult = tuple[Severity, str, str]
"""The severity, the finding, and what to do."""

_LATE = 60.0
"""Seconds after the end of a lease by which a worker should have rescued the job."""
_AHEAD = 5.0
"""Seconds that a time in the queue may be in the future: clocks are adjusted now and then."""
_RECENT = 1000
"""The number of newest jobs whose time is checked."""


class CheckContext(Protocol):
    """The queue, as a check sees it, in any store."""

    @property
    def settings(self) -> Settings:
        """The settings of jobdeck here."""
        raise NotImplementedError

    @property
    def connection(self) -> Any:
        """The connection that statements run on."""
        raise NotImplementedError

    @property
    def row_sql(self) -> RowSql:
        """The SQL that judges rows."""
        raise NotImplementedError

    @property
    def now(self) -> float:
        """The time."""
        raise NotImplementedError

    @property
    def lease_now(self) -> float:
        """The time on the clock that leases are measured on."""
        raise NotImplementedError

    @property
    def boot(self) -> str:
        """The id of that clock."""
        raise NotImplementedError

    def rows(self, query: str, *bound: object) -> Sequence[Sequence[Any]]:
        """Return all rows of a query."""
        raise NotImplementedError

    def number(self, query: str, *bound: object) -> int:
        """Return the only number that a query returns; 0 for NULL."""
        raise NotImplementedError


def format_size(size: float) -> str:
    """Format a size: `3.1 MB`, `12.4 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def format_jobs(n: int) -> str:
    """Format a number of jobs: `1 job`, `1,200 jobs`."""
    return f"{n:,} job{'' if n == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Format a duration in one unit: `40 s`, `3 min`, `5 h`, `12 days`."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:,.0f} days"


def counters(context: CheckContext) -> Iterator[CheckResult]:
    """Check that the depth counters match the rows."""
    wrong = miscounts(context.connection)
    if wrong:
        queue, kind, state, kept, n = wrong[0]
        first = f"{kind} in queue {queue}: {kept:,} {state} counted, {n:,} stored"
        text = f"{format_count(len(wrong), 'counter')} of jobs by state {'is' if len(wrong) == 1 else 'are'} wrong ({first})."
        yield Severity.PROBLEM, text, "`jobdeck doctor --repair` recomputes them."
    else:
        total = context.number("SELECT sum(n) FROM jobdeck_counts")
        yield Severity.OK, f"The counters match the {format_jobs(total)} in the queue.", ""


UNCHECKED = "This could not be checked."


def is_damaged(rows: Sequence[Finding]) -> bool:
    """Return whether the check of the rows has found damaged ones."""
    return any(each.severity is Severity.PROBLEM and not each.message.startswith(UNCHECKED) for each in rows)


def damaged_rows(context: CheckContext) -> Iterator[CheckResult]:
    """Check that every row can be read."""
    found = [*find_damaged_rows(context.connection, context.row_sql)]
    if found:
        text = f"{format_count(len(found), 'row')} {'is' if len(found) == 1 else 'are'} damaged: {describe_rows(found)}."
        advice = "`jobdeck doctor --repair` repairs them, as whoever reads them first does: such jobs fail, their logs say why."
        yield Severity.PROBLEM, text, advice
    else:
        yield Severity.OK, "Every row can be read.", ""


def leases(context: CheckContext) -> Iterator[CheckResult]:
    """Check that every running job has a valid lease, or will be rescued."""
    now, sound = context.lease_now, True
    running = context.number("SELECT count(*) FROM jobdeck_jobs WHERE state = 'running'")
    # Those of another boot's clock cannot be compared.
    own = "coalesce((SELECT boot FROM jobdeck_workers WHERE id = jobdeck_jobs.worker), ?) = ?"
    of_running = f"FROM jobdeck_jobs WHERE state = 'running' AND {own} AND lease_until"
    boot = context.boot
    ended = context.number(f"SELECT count(*) {of_running} < ?", boot, boot, now - _LATE)
    if ended:
        sound = False
        since = now - max(0.0, float(context.rows(f"SELECT min(lease_until) {of_running} < ?", boot, boot, now - _LATE)[0][0]))
        text = f"The lease of {format_jobs(ended)} ended up to {format_duration(since)} ago, and no worker has rescued them."
        if _alive(context):
            yield Severity.PROBLEM, text, "Workers do that every few seconds: check their logs."
        else:
            yield Severity.WARNING, text, "Start a worker: it rescues them."
    endless = context.number(f"SELECT count(*) {of_running} > ?", boot, boot, now + LONGEST_LEASE)
    if endless:
        sound = False
        text = f"The lease of {format_jobs(endless)} ends later than any lease can: the machine's clock restarted unnoticed."
        yield Severity.PROBLEM, text, "`jobdeck doctor --repair` ends such leases, and a worker rescues the jobs."
    if sound:
        yield (
            Severity.OK,
            f"{format_jobs(running)} running, each with a valid lease." if running else "No job is running.",
            "",
        )


_SILENT_FOR = "CASE WHEN boot = ? THEN ? - beat ELSE ? - heartbeat_at END"


def _alive(context: CheckContext) -> int:
    now = (context.boot, context.lease_now, context.now)
    return context.number(f"SELECT count(*) FROM jobdeck_workers WHERE {_SILENT_FOR} < ?", *now, context.settings.lease)


def workers(context: CheckContext) -> Iterator[CheckResult]:
    """Check which workers are alive."""
    alive, now = _alive(context), context.now
    silent = context.rows(
        f"SELECT id, heartbeat_at FROM jobdeck_workers WHERE {_SILENT_FOR} >= ? ORDER BY id",
        *(context.boot, context.lease_now, now, context.settings.lease),
    )
    for name, heard in silent:
        text = f"Worker {name} has been silent for {format_duration(max(0.0, now - heard))}."
        yield Severity.WARNING, text, "It died or hangs; others rescue its jobs. It is removed after an hour."
    for name, threads in context.rows("SELECT id, stalled FROM jobdeck_workers WHERE stalled <> '[]' ORDER BY id"):
        if name not in {each[0] for each in silent}:
            for thread, since, error in json.loads(threads):
                text = f"The {thread} of worker {name} has made no progress for {format_duration(max(0.0, now - since))}"
                yield Severity.PROBLEM, f"{text}: {error}" if error else f"{text}.", "Restart it if it does not recover."
    if alive or not silent:
        yield Severity.OK, f"{alive:,} worker{'' if alive == 1 else 's'} alive.", ""


def seconds_in_future(context: CheckContext) -> float:
    """Return the seconds that a time in the queue is in the future, if they are more than usual clock adjustments."""
    newest = context.rows(
        "SELECT max(at) FROM (SELECT max(created_at) AS at FROM"
        f" (SELECT created_at FROM jobdeck_jobs ORDER BY id DESC LIMIT {_RECENT}) AS recent"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'completed' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'failed' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'cancelled' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(heartbeat_at) FROM jobdeck_workers) AS times"
    )[0][0]
    seconds = 0.0 if newest is None else float(newest) - context.now
    return seconds if seconds > _AHEAD else 0.0


def orphaned(context: CheckContext) -> Iterator[CheckResult]:
    """Check for rows that belong to no job."""
    found = orphans(context.connection)
    if found:
        text = f"{', '.join(format_count(n, noun) for noun, n in found.items())} without a job."
        yield Severity.WARNING, text, "They only take space; `jobdeck doctor --repair` deletes them."
    else:
        yield Severity.OK, "Every attempt, log, dependency and batch belongs to a job.", ""


def waits(context: CheckContext) -> Iterator[CheckResult]:
    """Check for jobs that wait for deleted jobs."""
    ((n, first),) = context.rows(
        "SELECT count(*), min(id) FROM jobdeck_jobs AS job WHERE state = 'waiting'"
        " AND (NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE child = job.id)"
        " OR EXISTS (SELECT 1 FROM jobdeck_waits AS wait WHERE child = job.id"
        " AND NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = wait.parent)))"
    )
    if n:
        text = f"{format_jobs(n)} will wait for ever, for jobs that do not exist; the first is {first}."
        yield Severity.PROBLEM, text, "Cancel them, and enqueue them again if needed."
    else:
        yield Severity.OK, "Every waiting job waits for existing jobs.", ""
