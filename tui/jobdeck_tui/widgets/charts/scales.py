"""The scales of charts: round bounds and labels for values, and local times for the time axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from ...text.format import short_number

LEAST = 0.001
"""The shortest duration drawn, in seconds; shorter ones are drawn as this long."""

_TIMES = (
    (0.001, "1ms"),
    (0.01, "10ms"),
    (0.1, "100ms"),
    (1.0, "1s"),
    (10.0, "10s"),
    (60.0, "1m"),
    (600.0, "10m"),
    (3600.0, "1h"),
    (36000.0, "10h"),
    (4 * 86400.0, "4d"),
    (40 * 86400.0, "40d"),
    (400 * 86400.0, "400d"),
)
"""The grid lines of a logarithmic scale of durations."""

_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2419200)
"""The steps between the labels of a time axis to choose from, in seconds."""
_DAY = 86400
_BETWEEN = 5
"""The minimum number of blank columns between two labels."""


def round_top(value: float) -> float:
    """Return the upper end of a scale from 0: 1, 2 or 5 times a power of ten, so that it rarely changes."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1.0, 2.0, 5.0) if value <= step * power * (1 + 1e-9)), 10.0 * power)


def time_bounds(low: float, high: float) -> tuple[float, float]:
    """Return the bounds of a scale of durations that holds both values: the nearest grid lines."""
    lines = [at for at, _ in _TIMES]
    below = max((at for at in lines if at <= low), default=lines[0])
    above = min((at for at in lines if at >= high and at > below), default=lines[-1])
    return below, above


def time_lines(low: float, high: float) -> list[tuple[float, str]]:
    """Return the grid lines of a scale of durations, with their labels."""
    return [(at, label) for at, label in _TIMES if low <= at <= high]


def amount(value: float) -> str:
    """Format a value of a scale in at most five columns: `0.5`, `20`, `1.5k`."""
    return short_number(round(value)) if value >= 1000 else f"{value:.3g}"


def share(value: float) -> str:
    """Format a share in at most five columns: `0.5%`, `20%`."""
    return f"{value * 100:.3g}%"


def ticks(begin: float, end: float, width: int, *, reserved: int = 0) -> list[tuple[int, str]]:
    """Return labels at round local times: the first column of each label, and the label.

    Args:
        begin: the time at the left edge.
        end: the time at the right edge.
        width: the number of columns.
        reserved: the number of columns to keep free at the right.
    """
    if end <= begin or width <= 0:
        return []
    wanted = 5 + _BETWEEN
    step = next((step for step in _STEPS if step / (end - begin) * width >= wanted), _STEPS[-1])
    offset = datetime.fromtimestamp(begin).astimezone().utcoffset()
    shift = offset.total_seconds() if offset is not None else 0.0
    found: list[tuple[int, str]] = []
    free = 0
    at = math.ceil((begin + shift) / step) * step - shift
    while at < end:
        label = _label(at, step)
        column = round((at - begin) / (end - begin) * width) - len(label) // 2
        if free <= column <= width - reserved - len(label) - 1:
            found.append((column, label))
            free = column + len(label) + 2
        at += step
    return found


def _label(at: float, step: float) -> str:
    then = datetime.fromtimestamp(at)
    if step >= _DAY or (then.hour == then.minute == then.second == 0 and step >= 600):
        return then.strftime("%a %d")
    return then.strftime("%H:%M:%S" if step < 60 else "%H:%M")


def moment_text(at: float, seconds: float) -> str:
    """Format a time on an axis of `seconds`, in local time: `14:05:30`, `14:05`, `Tue 24 14:05`."""
    then = datetime.fromtimestamp(at)
    if seconds <= 3600:
        return then.strftime("%H:%M:%S")
    return then.strftime("%H:%M" if seconds <= _DAY else "%a %d %H:%M")


def fill_gaps(values: Sequence[float | None], most: int) -> list[float | None]:
    """Fill gaps of up to `most` values with the previous value, as for sampled data."""
    found: list[float | None] = []
    gap = 0
    for value in values:
        gap = 0 if value is not None else gap + 1
        found.append(value if value is not None or not found or gap > most else found[-1])
    return found
