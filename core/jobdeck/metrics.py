"""What was measured over a while, and what failed: records of `Queue.metrics` and `Queue.errors`.

Times are seconds since 1970-01-01 UTC, durations seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .jobs import Slot


class Grouping(StrEnum):
    """What metrics can be told apart by."""

    QUEUE = "queue"
    KIND = "kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What happened in the newest stretch of time, whole and in slices."""

    at: float
    slots: tuple[Slot, ...]
    """Oldest first, without gaps, the last one still filling."""
    total: Slot
    """All of it. Its `seconds` end now: rates are those of the time that has passed."""
    pending: int = 0
    """Jobs that are ready now."""
    oldest: float | None = None
    """Seconds that the oldest of them has waited."""
    groups: Mapping[str, Slot] = field(default_factory=dict)
    """The same for each queue or kind, where that was asked for: name → total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Failed attempts that have kind, error and place in common."""

    kind: str
    error_type: str
    """The exception's name; `crashed` or `timed out` where the attempt ended without one."""
    place: str
    """Where it was raised: `file:line function`, the last frame of the traceback; empty where there is none."""
    count: int
    first_seen: float
    last_seen: float
    message: str
    """Of the newest one."""
    job_ids: tuple[int, ...]
    """Some of the jobs, the newest failure first."""


_FRAME = re.compile(r'^[ |]*File "(.+)", line (\d+)(?:, in (.+))?$', re.MULTILINE)
_FRAMES_FROM_END = 20_000
"""Characters of a traceback, from its end, that are searched: the message stands below the last frame."""


def place_of(traceback: str | None) -> str:
    """The last frame of a traceback, as `file:line function`; empty if it has none."""
    found = _FRAME.findall((traceback or "")[-_FRAMES_FROM_END:])
    if not found:
        return ""
    file, line, function = found[-1]
    return f"{file}:{line} {function}".rstrip()
