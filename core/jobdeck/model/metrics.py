"""What was measured over a while, and what failed: records of `Queue.metrics` and `Queue.errors`.

Times are seconds since 1970-01-01 UTC, durations seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from .overview import Slot


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
    completed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of each of them, the attempts that completed in each of the slices."""


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
    seen_at: tuple[float, ...] = ()
    """When each of them failed, newest first."""


_FRAME = re.compile(r'^[ |]*File "(.+)", line (\d+)(?:, in (.+))?$', re.MULTILINE)
_FRAMES_FROM_END = 20_000
"""Characters of a traceback, from its end, that are searched: the message stands below the last frame."""


def place_of(traceback: str | None) -> str:
    """The last frame of a traceback, as `file:line function`; empty if it has none."""
    return _place_of((traceback or "")[-_FRAMES_FROM_END:])


@lru_cache(maxsize=256)  # what fails alike has the same traceback, thousands of times
def _place_of(traceback: str) -> str:
    found = _FRAME.findall(traceback)
    if not found:
        return ""
    file, line, function = found[-1]
    return f"{file}:{line} {function}".rstrip()
