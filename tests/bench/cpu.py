"""Measure whether a second process uses a second core, with handlers that compute for one millisecond.

Compares `jobdeck worker --processes 2` with `--processes 1`, or, if the command lacks that option, two commands with
one. Each handler computes until it has used one millisecond of its own CPU time, however contended the core is.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from drain import rate
from figures import Row, Scale, at_least, ratio
from processes import has_option, open_queue, worker
from stock import copy_database, delete_database, stock

TARGET = 1.8
THREADS = 2
_MOST = 2_500
"""The maximum number of jobs per second on two cores."""


def measure(scale: Scale) -> list[Row]:
    """Measure one process and two, alternating."""
    seconds = max(1.0, scale.seconds)
    template = stock(scale.folder / "cpu.db", round(_MOST * (seconds + 2)), kind="bench.cpu", args={"n": 1, "seconds": 0.001})
    own = has_option("--processes")
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(scale.rounds):
        for processes, rates in found.items():
            copy = copy_database(template, "copy")
            rates.append(_rate(copy, processes, seconds, own=own))
            delete_database(copy)
    twice = ratio(found[2], found[1])
    cores = os.cpu_count() or 1
    how = "--processes 2" if own else "two commands, as --processes does not exist"
    return [
        Row(
            what="1 ms of CPU: 2 processes",
            unit="jobs/s",
            values=found[2],
            target=f"≥ {TARGET:g} × 1 process",
            ratio=twice,
            ok=at_least(twice, TARGET) if cores > 1 else None,
            note=how if cores > 1 else "not judged: only one core",
        ),
        Row(what="1 ms of CPU: 1 process", unit="jobs/s", values=found[1]),
    ]


def _rate(database: Path, processes: int, seconds: float, *, own: bool) -> float:
    options = ("--threads", str(THREADS))
    commands = [(*options, "--processes", str(processes))] if own else [options] * processes
    with contextlib.ExitStack() as stack, open_queue(database) as queue:
        for command in commands:
            stack.enter_context(worker(database, *command))
        # By then all workers have started.
        return rate(queue, seconds, least=200 * processes)
