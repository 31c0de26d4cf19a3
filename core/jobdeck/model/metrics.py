"""The metrics of a time range, and groups of failures: records of `Queue.metrics` and `Queue.errors`.

Times are seconds since 1970-01-01 UTC, durations seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from functools import lru_cache

from .overview import TimeSlice
from .record_class import record


class Grouping(StrEnum):
    """An attribute that metrics can be grouped by."""

    QUEUE = "queue"
    KIND = "kind"


@record(kw_only=True)
class Metrics:
    """The metrics of a time range up to now: in total and in time slices."""

    at: float
    slices: tuple[TimeSlice, ...]
    """Oldest first, without gaps; the last one is incomplete."""
    total: TimeSlice
    """The sum of all slices. Its `seconds` end now, so that rates are those of the elapsed time."""
    pending: int = 0
    """The number of jobs that are ready now."""
    oldest_wait: float | None = None
    """Seconds that the oldest of them has waited."""
    groups: Mapping[str, TimeSlice] = field(default_factory=dict)
    """The totals of each queue or kind, if grouped: name → total."""
    completed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The completed attempts of each queue or kind in each slice."""


@record(kw_only=True)
class ErrorGroup:
    """Failed attempts with the same kind, error and place; of commands with the same exit code and last line of errors."""

    kind: str
    error_type: str
    """The name of the exception; of a command `exit code 3` or `killed by SIGKILL`; `crashed` or `timed out` without either."""
    place: str
    """Where it was raised: `file:line function`, the last frame of the traceback; empty if there is no traceback. Of a command,
    the last line of its standard error, with `#` for each number."""
    count: int
    first_seen: float
    last_seen: float
    message: str
    """The message of the newest failure."""
    job_ids: tuple[int, ...]
    """Some of the jobs, newest failure first."""
    seen_at: tuple[float, ...] = ()
    """When each of these jobs failed, newest first."""


_FRAME = re.compile(r'^[ |]*File "(.+)", line (\d+)(?:, in (.+))?$', re.MULTILINE)
_FRAMES_FROM_END = 20_000
"""The number of characters at the end of a traceback that are searched: the message follows the last frame."""


_NUMBERS = re.compile(r"[0-9]+")
_LINE_LENGTH = 200
_BLANKS = " \t\r\n"


def failure_place(error_type: str | None, message: str | None, traceback: str | None) -> str:
    """Return the place of a failure, by which similar ones are grouped."""
    return last_line(message) if is_exit(error_type) else error_place(traceback)


def is_exit(error_type: str | None) -> bool:
    """Return whether the type is the exit of a command: the name of an exception has no spaces."""
    return error_type is not None and " " in error_type


def last_line(message: str | None) -> str:
    """Return the last line of a message, shortened, with `#` for each number, so that similar lines are the same."""
    return _NUMBERS.sub("#", (message or "").rstrip(_BLANKS).rpartition("\n")[2])[:_LINE_LENGTH]


def error_place(traceback: str | None) -> str:
    """Return the last frame of a traceback as `file:line function`; empty if it has none."""
    return _place_of((traceback or "")[-_FRAMES_FROM_END:])


@lru_cache(maxsize=256)  # similar failures have the same traceback, thousands of times
def _place_of(traceback: str) -> str:
    found = _FRAME.findall(traceback)
    if not found:
        return ""
    file, line, function = found[-1]
    return f"{file}:{line} {function}".rstrip()
