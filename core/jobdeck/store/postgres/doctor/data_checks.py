"""The checks of a queue's data: those of every store, and the clocks of the server and of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....model.findings import Severity
from ...doctor import CheckResult, counters, damaged_rows, format_duration, leases, orphaned, seconds_in_future, waits, workers
from .context import Check, CheckContext

_APART = 5.0
"""Seconds that two clocks may differ."""


def _clock(context: CheckContext) -> Iterator[CheckResult]:
    seconds = seconds_in_future(context)
    if seconds:
        text = f"The queue holds times that are {format_duration(seconds)} in the server's future: its clock was set back."
        yield Severity.WARNING, text, "Set the server's clock; leases and due times depend on it."
    if abs(context.ahead) > _APART:
        way = "ahead of" if context.ahead > 0 else "behind"
        text = f"The server's clock is {format_duration(abs(context.ahead))} {way} this machine's."
        yield (
            Severity.WARNING,
            text,
            "Workers use the server's clock; a job enqueued here for a time of day uses this machine's.",
        )
    elif not seconds:
        yield Severity.OK, "The server's clock agrees with this machine's, and no time in the queue is in its future.", ""


ROWS: Sequence[tuple[str, Check]] = (("rows", damaged_rows),)
CONTENTS: Sequence[tuple[str, Check]] = (
    ("counters", counters),
    ("leases", leases),
    ("workers", workers),
    ("clock", _clock),
    ("orphans", orphaned),
    ("waits", waits),
)
