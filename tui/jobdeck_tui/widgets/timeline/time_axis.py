"""The axis of a timeline: where a clock time stands, at steps that people count in. Pure."""

from __future__ import annotations

import time

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds."""
_APART = 13
"""Cells between two ticks at least."""


def ticks(begin: float, cell: float, width: int) -> list[tuple[int, str]]:
    """The cells of the ticks and what stands there: local times of day, without seconds where those are always 0."""
    step = next((step for step in STEPS if step >= _APART * cell), STEPS[-1])
    offset = time.localtime(begin).tm_gmtoff or 0
    first = -(-(begin + offset) // step) * step - offset
    shape = "%H:%M:%S" if step < 60 else "%H:%M"
    found = []
    at = first
    while (place := int((at - begin) / cell)) < width:
        found.append((place, time.strftime(shape, time.localtime(at))))
        at += step
    return found
