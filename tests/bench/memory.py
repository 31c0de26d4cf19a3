"""Measure the peak memory of `jobdeck worker` over 20,000 no-op jobs, as reported by the system."""

from __future__ import annotations

import time

from figures import Row, Scale, at_most
from processes import Failed, open_queue, peak_megabytes, worker
from stock import copy_database, delete_database, stock

TARGET = 60.0
_PATIENCE = 30.0


def measure(scale: Scale) -> list[Row]:
    """Measure a new worker in each round."""
    template = stock(scale.folder / "memory.db", scale.remembered)
    peaks, done = [], []
    for _ in range(2 if scale.rounds > 2 else 1):
        copy = copy_database(template, "copy")
        with worker(copy) as pid, open_queue(copy) as queue:
            end = time.monotonic() + _PATIENCE
            while queue.count("state:completed") < scale.remembered and time.monotonic() < end:
                time.sleep(0.05)
            if peak := peak_megabytes(pid):
                peaks.append(peak)
            done.append(queue.count("state:completed"))
        delete_database(copy)
    if not min(done):
        raise Failed("the worker completed no job")
    most = max(peaks, default=None)
    return [
        Row(
            what="memory: peak of a worker",
            unit="MB",
            values=peaks,
            target=f"≤ {TARGET:g} MB",
            ratio=None if most is None else most / TARGET,
            ok=at_most(most, TARGET),
            note=f"after {min(done):,} no-op jobs" if peaks else "not available on this system",
        )
    ]
