"""How fast jobs are put into the queue; each call returns once its jobs are durable.

One thread and eight threads call `enqueue` over and over, each in a process of its own with a new file, in turn with
Huey. In bulk: the arguments of 50,000 jobs, a number and a text each, are checked one by one and enqueued in one commit
by `enqueue_each`; the time of both counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import peers
from figures import Row, Scale, at_least, ratio
from processes import Start, opened, run
from stock import removed

THREADS = 8
HUEY = 1.0
SHARED = 2.5
BULK = 100_000


def measure(scale: Scale) -> list[Row]:
    """One thread beside Huey, eight threads beside one, and bulk."""
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
            removed(database)
    huey = found.get("huey", [])
    to_huey, to_one = ratio(found["one"], huey), ratio(found["eight"], found["one"])
    bulk = Row(what=f"enqueue: {scale.bulk:,} in bulk, arguments checked", unit="jobs/s", values=found["bulk"])
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
    """That many threads of one process. Jobs a second."""
    done = [0] * threads
    with opened(database) as queue:
        begin = threading.Barrier(threads + 1)

        def work(place: int) -> None:
            queue.enqueue("bench.noop", {"n": -1})  # opens this thread's connection
            begin.wait()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                queue.enqueue("bench.noop", {"n": done[place]})
                done[place] += 1

        callers = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(threads)]
        for caller in callers:
            caller.start()
        start()
        begin.wait()
        began = time.monotonic()
        for caller in callers:
            caller.join()
        took = time.monotonic() - began
        assert queue.count("state:pending") == sum(done) + threads
    return sum(done) / took


def _bulk(start: Start, database: Path, jobs: int) -> float:
    """Check and enqueue them all. Jobs a second."""
    with opened(database) as queue:
        queue.enqueue("bench.mail", {"order": 0, "to": "nobody@example.org"})
        start()
        began = time.monotonic()
        queue.enqueue_bulk("bench.mail", [{"order": n, "to": f"customer-{n}@example.org"} for n in range(jobs)])
        took = time.monotonic() - began
        assert queue.count("state:pending") == jobs + 1
    return jobs / took
