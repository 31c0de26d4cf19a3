"""The time axis of the timeline: ticks at round clock times. Pure."""

from __future__ import annotations

import time

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""The steps between ticks to choose from, in seconds."""
_APART = 13
"""The minimum number of cells between two ticks."""


def ticks(start: float, cell: float, width: int) -> list[tuple[int, str]]:
    """Return the cell and the label of each tick: local times of day, without seconds if they are always 0."""
    step = next((step for step in STEPS if step >= _APART * cell), STEPS[-1])
    offset = time.localtime(start).tm_gmtoff or 0
    first = -(-(start + offset) // step) * step - offset
    shape = "%H:%M:%S" if step < 60 else "%H:%M"
    found = []
    at = first
    while (place := int((at - start) / cell)) < width:
        found.append((place, time.strftime(shape, time.localtime(at))))
        at += step
    return found
