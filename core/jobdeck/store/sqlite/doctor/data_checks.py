"""The checks of a file's data: those of every store, and the effects of a restart of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import (
    CheckResult,
    counters,
    damaged_rows,
    format_duration,
    format_jobs,
    leases,
    orphaned,
    seconds_in_future,
    waits,
    workers,
)
from .context import Check, CheckContext


def _leases(context: CheckContext) -> Iterator[CheckResult]:
    """Find the jobs whose worker is of another boot and silent: the machine has stopped, or a container."""
    left = context.number(
        "SELECT count(*) FROM jobdeck_jobs LEFT JOIN jobdeck_workers AS its ON its.id = jobdeck_jobs.worker"
        " WHERE state = 'running' AND coalesce(its.heartbeat_at, 0) < ?"
        " AND coalesce(its.boot, (SELECT value FROM jobdeck_meta WHERE key = 'boot')) <> ?",
        context.now - context.settings.lease,
        context.clock.boot(),
    )
    if left:
        text = f"{format_jobs(left)} {'was' if left == 1 else 'were'} running when the machine last stopped."
        yield Severity.WARNING, text, "Start a worker: it rescues them."
        return
    yield from leases(context)


def _clock(context: CheckContext) -> Iterator[CheckResult]:
    if context.clock.boot() == "unknown":
        text = "This system does not identify its boots, so leases from before a restart may seem valid."
        yield Severity.WARNING, text, "After a restart, check `jobdeck doctor` for jobs that no worker rescued."
    seconds = seconds_in_future(context)
    if seconds:
        text = f"The queue holds times that are {format_duration(seconds)} in the future: the wall clock was set back."
        yield Severity.WARNING, text, "Set the clock. Leases do not depend on it, but scheduled jobs start by it."
    else:
        yield Severity.OK, "No time in the queue is in the future.", ""


ROWS: Sequence[tuple[str, Check]] = (("rows", damaged_rows),)
CONTENTS: Sequence[tuple[str, Check]] = (
    ("counters", counters),
    ("leases", _leases),
    ("workers", workers),
    ("clock", _clock),
    ("orphans", orphaned),
    ("waits", waits),
)
