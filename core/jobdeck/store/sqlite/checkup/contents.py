"""Checks of what is in the file: counters, leases, workers, clocks, rows that belong to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....findings import Severity
from ...soundness import LONGEST_LEASE, miscounts, orphans, told
from .look import Answer, Check, Look, jobs, lasting

_LATE = 60.0
"""Seconds after the end of a lease by which somebody should have taken the job back."""
_AHEAD = 5.0
"""Seconds that a time in the file may lie in the future: clocks are set a little now and then."""
_RECENT = 1000
"""How many of the newest jobs are asked for their time."""


def _counters(look: Look) -> Iterator[Answer]:
    wrong = miscounts(look.connection)
    if wrong:
        queue, kind, state, kept, n = wrong[0]
        first = f"{kind} in queue {queue}: {kept:,} {state} kept, {n:,} there"
        text = f"{told(len(wrong), 'counter')} of jobs by state {'is' if len(wrong) == 1 else 'are'} wrong ({first})."
        yield Severity.PROBLEM, text, "`jobdeck doctor --repair` counts anew."
    else:
        total = look.number("SELECT sum(n) FROM jobdeck_counts")
        yield Severity.OK, f"The counters agree with the {jobs(total)} that are there.", ""


def _leases(look: Look) -> Iterator[Answer]:
    running = look.number("SELECT count(*) FROM jobdeck_jobs WHERE state = 'running'")
    if running and _boot(look) != look.clock.boot():
        text = f"{jobs(running)} {'was' if running == 1 else 'were'} running when the machine last stopped."
        yield Severity.WARNING, text, "Start a worker: it takes them back."
        return
    now, sound = look.clock.monotonic(), True
    of_running = "FROM jobdeck_jobs WHERE state = 'running' AND lease_until"
    ended = look.number(f"SELECT count(*) {of_running} < ?", now - _LATE)
    if ended:
        sound = False
        since = now - float(look.rows(f"SELECT max(0, min(lease_until)) {of_running} < ?", now - _LATE)[0][0])
        text = f"The lease of {jobs(ended)} ended up to {lasting(since)} ago, and no worker has taken them back."
        if _alive(look):
            yield Severity.PROBLEM, text, "Workers do that every few seconds: see what they log."
        else:
            yield Severity.WARNING, text, "Start a worker: it takes them back."
    endless = look.number(f"SELECT count(*) {of_running} > ?", now + LONGEST_LEASE)
    if endless:
        sound = False
        text = f"The lease of {jobs(endless)} ends later than any lease can: the machine's clock began anew unnoticed."
        yield Severity.PROBLEM, text, "`jobdeck doctor --repair` ends such leases, and a worker takes the jobs back."
    if sound:
        yield Severity.OK, f"{jobs(running)} running, each with a lease that holds." if running else "No job is running.", ""


def _boot(look: Look) -> str | None:
    found = look.rows("SELECT value FROM jobdeck_meta WHERE key = 'boot'")
    return str(found[0][0]) if found else None


def _alive(look: Look) -> int:
    since = look.clock.monotonic() - look.settings.lease
    return look.number("SELECT count(*) FROM jobdeck_workers WHERE beat > ?", since)


def _workers(look: Look) -> Iterator[Answer]:
    alive, now = _alive(look), look.clock.now()
    silent = look.rows(
        "SELECT id, heartbeat_at FROM jobdeck_workers WHERE beat <= ? ORDER BY id",
        look.clock.monotonic() - look.settings.lease,
    )
    for name, heard in silent:
        text = f"Worker {name} has been silent for {lasting(max(0.0, now - heard))}."
        yield Severity.WARNING, text, "It died or hangs; others take its jobs back. It is forgotten after an hour."
    if alive or not silent:
        yield Severity.OK, f"{alive:,} worker{'' if alive == 1 else 's'} alive.", ""


def _clock(look: Look) -> Iterator[Answer]:
    if look.clock.boot() == "unknown":
        text = "This system does not name its boots, so leases from before a restart may seem to hold."
        yield Severity.WARNING, text, "After a restart, `jobdeck doctor` shows jobs that nobody took back."
    now = look.clock.now()
    newest = look.rows(
        "SELECT max(at) FROM (SELECT max(created_at) AS at FROM"
        f" (SELECT created_at FROM jobdeck_jobs ORDER BY id DESC LIMIT {_RECENT})"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'completed' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'failed' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(finished_at) FROM jobdeck_jobs WHERE state = 'cancelled' AND finished_at IS NOT NULL"
        " UNION ALL SELECT max(heartbeat_at) FROM jobdeck_workers)"
    )[0][0]
    ahead = 0.0 if newest is None else float(newest) - now
    if ahead > _AHEAD:
        text = f"The queue holds times that lie {lasting(ahead)} in the future: the wall clock has been set back."
        yield Severity.WARNING, text, "Set the clock. Leases do not depend on it, but scheduled jobs start by it."
    else:
        yield Severity.OK, "No time in the queue lies in the future.", ""


def _orphans(look: Look) -> Iterator[Answer]:
    found = orphans(look.connection)
    if found:
        text = f"{', '.join(told(n, noun) for noun, n in found.items())} without a job."
        yield Severity.WARNING, text, "They only take room; `jobdeck doctor --repair` removes them."
    else:
        yield Severity.OK, "Every attempt, log, dependency and batch belongs to a job.", ""


def _waits(look: Look) -> Iterator[Answer]:
    ((n, first),) = look.rows(
        "SELECT count(*), min(id) FROM jobdeck_jobs AS job WHERE state = 'waiting'"
        " AND (NOT EXISTS (SELECT 1 FROM jobdeck_waits WHERE child = job.id)"
        " OR EXISTS (SELECT 1 FROM jobdeck_waits AS wait WHERE child = job.id"
        " AND NOT EXISTS (SELECT 1 FROM jobdeck_jobs WHERE id = wait.parent)))"
    )
    if n:
        text = f"{jobs(n)} will wait for ever, for jobs that are gone; the first is {first}."
        yield Severity.PROBLEM, text, "Cancel them, and enqueue them anew if need be."
    else:
        yield Severity.OK, "Every waiting job waits for jobs that are there.", ""


CONTENTS: Sequence[tuple[str, Check]] = (
    ("counters", _counters),
    ("leases", _leases),
    ("workers", _workers),
    ("clock", _clock),
    ("orphans", _orphans),
    ("waits", _waits),
)
