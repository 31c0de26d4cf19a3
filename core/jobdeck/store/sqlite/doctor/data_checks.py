"""Checks of what is in the file: those of every store, and what a restart of the machine means to a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import Answer, ahead, counters, jobs, lasting, leases, orphaned, waits, workers
from .context import Check, Look


def _leases(look: Look) -> Iterator[Answer]:
    running = look.number("SELECT count(*) FROM jobdeck_jobs WHERE state = 'running'")
    if running and _boot(look) != look.clock.boot():
        text = f"{jobs(running)} {'was' if running == 1 else 'were'} running when the machine last stopped."
        yield Severity.WARNING, text, "Start a worker: it takes them back."
        return
    yield from leases(look)


def _boot(look: Look) -> str | None:
    found = look.rows("SELECT value FROM jobdeck_meta WHERE key = 'boot'")
    return str(found[0][0]) if found else None


def _clock(look: Look) -> Iterator[Answer]:
    if look.clock.boot() == "unknown":
        text = "This system does not name its boots, so leases from before a restart may seem to hold."
        yield Severity.WARNING, text, "After a restart, `jobdeck doctor` shows jobs that nobody took back."
    seconds = ahead(look)
    if seconds:
        text = f"The queue holds times that lie {lasting(seconds)} in the future: the wall clock has been set back."
        yield Severity.WARNING, text, "Set the clock. Leases do not depend on it, but scheduled jobs start by it."
    else:
        yield Severity.OK, "No time in the queue lies in the future.", ""


CONTENTS: Sequence[tuple[str, Check]] = (
    ("counters", counters),
    ("leases", _leases),
    ("workers", workers),
    ("clock", _clock),
    ("orphans", orphaned),
    ("waits", waits),
)
