"""Measure the no-op throughput of four threads beside one CPU-bound handler.

Python runs one thread at a time, and a computing thread yields only after the switch interval. `jobdeck worker
--threads 5` runs one endless CPU-bound job and no-op jobs on the other four threads. The same load also runs in a
program that sets the switch interval to half a millisecond itself, for comparison with the command.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from drain import rate, warm_up
from figures import Row, Scale, at_least
from processes import Start, open_queue, run, worker
from stock import copy_database, delete_database, stock

from jobdeck import Worker

TARGET = 10_000
THREADS = 5
INTERVAL = 0.0005
_FASTEST = 60_000


def measure(scale: Scale) -> list[Row]:
    """Measure the command and a program with a short switch interval, alternating."""
    jobs = round(_FASTEST * scale.seconds)
    template = scale.folder / "beside.db"
    with open_queue(template, "OFF") as queue:
        queue.enqueue("bench.hog", {"n": 1})
    stock(template, jobs)
    command: list[float] = []
    program: list[float] = []
    for _ in range(scale.rounds):
        copy = copy_database(template, "copy")
        with worker(copy, "--threads", str(THREADS)), open_queue(copy) as queue:
            command.append(rate(queue, scale.seconds))
        program += run(scale.seconds, (_program, copy_database(template, "copy"), scale.seconds))
    delete_database(template.with_name("copy.db"))
    row = Row(what="beside a CPU-bound handler: `jobdeck worker`", unit="jobs/s", values=command)
    return [
        Row(
            what=row.what,
            unit=row.unit,
            values=command,
            target=f"≥ {TARGET:,} jobs/s",
            ratio=None if row.median is None else row.median / TARGET,
            ok=at_least(row.median, TARGET),
        ),
        Row(
            what="beside a CPU-bound handler: a program",
            unit="jobs/s",
            values=program,
            note=f"sys.setswitchinterval({INTERVAL})",
        ),
    ]


def _program(start: Start, database: Path, seconds: float) -> float:
    """Run the same load with `Worker`; return no-op jobs per second."""
    sys.setswitchinterval(INTERVAL)
    warm_up(database.with_name(f"warm-{time.monotonic_ns()}.db"), THREADS)
    with open_queue(database) as queue:
        worker = Worker(queue, threads=THREADS)
        start()
        worker.start()
        found = rate(queue, seconds)
        worker.stop(1.0)
    return found
