"""Measure how fast jobs are enqueued; each call returns once its jobs are durable.

One thread and eight threads call `enqueue` repeatedly, each variant in its own process with a new file, alternating with
Huey. The bulk variant validates the arguments of 50,000 jobs, a number and a text each, and enqueues them in one commit
with `enqueue_bulk`; both steps count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import peers
from figures import Row, Scale, at_least, ratio
from processes import Start, open_queue, run
from stock import delete_database

THREADS = 8
HUEY = 1.0
SHARED = 2.5
BULK = 100_000


def measure(scale: Scale) -> list[Row]:
    """Measure one thread against Huey, eight threads against one, and bulk."""
    seconds = scale.seconds
    variants: dict[str, Callable[[Path], float]] = {
        "one": lambda database: run(seconds, (_enqueue, database, 1, seconds))[0],
        "eight": lambda database: run(seconds, (_enqueue, database, THREADS, seconds))[0],
        "bulk": lambda database: run(seconds, (_bulk, database, scale.bulk))[0],
    }
    if peers.huey_version():
        variants["huey"] = lambda database: run(seconds, (peers.enqueue, database, seconds))[0]
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(scale.rounds):
        for name, variant in variants.items():
            database = scale.folder / f"{name}.db"
            found[name].append(variant(database))
            delete_database(database)
    huey = found.get("huey", [])
    to_huey, to_one = ratio(found["one"], huey), ratio(found["eight"], found["one"])
    bulk = Row(what=f"enqueue: {scale.bulk:,} in bulk, arguments validated", unit="jobs/s", values=found["bulk"])
    missing = "" if huey else peers.MISSING
    return [
        Row(
            what="enqueue: 1 thread",
            unit="jobs/s",
            values=found["one"],
            target=f"≥ {HUEY:g} × Huey",
            ratio=to_huey,
            ok=at_least(to_huey, HUEY),
            note=missing,
        ),
        Row(
            what="enqueue: 8 threads",
            unit="jobs/s",
            values=found["eight"],
            target=f"≥ {SHARED:g} × 1 thread",
            ratio=to_one,
            ok=at_least(to_one, SHARED),
        ),
        Row(
            what=bulk.what,
            unit=bulk.unit,
            values=bulk.values,
            target=f"≥ {BULK:,} jobs/s",
            ratio=None if bulk.median is None else bulk.median / BULK,
            ok=at_least(bulk.median, BULK),
        ),
        Row(what="enqueue: Huey, 1 thread", unit="jobs/s", values=huey, note=missing),
    ]


def _enqueue(start: Start, database: Path, threads: int, seconds: float) -> float:
    """Enqueue from several threads of one process; return jobs per second."""
    done = [0] * threads
    with open_queue(database) as queue:
        barrier = threading.Barrier(threads + 1)

        def work(place: int) -> None:
            queue.enqueue("bench.noop", {"n": -1})  # open the connection of this thread
            barrier.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                queue.enqueue("bench.noop", {"n": done[place]})
                done[place] += 1

        callers = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(threads)]
        for caller in callers:
            caller.start()
        start()
        barrier.wait()
        started = time.monotonic()
        for caller in callers:
            caller.join()
        took = time.monotonic() - started
        assert queue.count("state:pending") == sum(done) + threads
    return sum(done) / took


def _bulk(start: Start, database: Path, jobs: int) -> float:
    """Validate and enqueue all jobs; return jobs per second."""
    with open_queue(database) as queue:
        queue.enqueue("bench.mail", {"order": 0, "to": "nobody@example.org"})
        start()
        started = time.monotonic()
        queue.enqueue_bulk("bench.mail", [{"order": n, "to": f"customer-{n}@example.org"} for n in range(jobs)])
        took = time.monotonic() - started
        assert queue.count("state:pending") == jobs + 1
    return jobs / took
