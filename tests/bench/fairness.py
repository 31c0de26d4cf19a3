"""Measure whether processes that compete for one file get equal shares.

Four processes with four worker threads each process one queue of no-op jobs for ten seconds. The share of a process is
its completed jobs divided by a quarter of all. The wait of each transaction is measured inside the processes, from
requesting `Store.transaction()` to entering it; nested transactions do not count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from drain import warm_up
from figures import Row, Scale, at_least, at_most, percentile
from processes import Start, open_queue, run
from stock import delete_database, stock

from jobdeck import Queue, Worker

PROCESSES = 4
THREADS = 4
LEAST = 0.5
LONGEST = 100.0
_FASTEST = 60_000
"""The jobs per second that the filled queue allows for. A faster engine finishes early, which the rate accounts for."""


def measure(scale: Scale) -> list[Row]:
    """Measure the smallest share, and the wait that one in a thousand transactions exceeds."""
    shares, waits, longest, rates = [], [], [], []
    for n in range(2 if scale.rounds > 2 else 1):
        database = stock(scale.folder / f"fair-{n}.db", round(_FASTEST * scale.fighting))
        started = time.monotonic()
        results = run(scale.fighting, *[(_work, database, scale.fighting)] * PROCESSES)
        delete_database(database)
        done = [each for each, _, _ in results]
        waited = [wait for _, _, each in results for wait in each]
        assert sum(done), f"no job completed in {time.monotonic() - started:.0f} s"
        shares.append(min(done) / (sum(done) / PROCESSES))
        rates.append(sum(done) / max(took for _, took, _ in results))
        if waited:
            waits.append(1e3 * percentile(waited, 0.999))
            longest.append(1e3 * max(waited))
    least = min(shares)
    most = max(waits, default=None)
    note = f"longest {max(longest):,.0f} ms" if longest else "the worker never calls Store.transaction()"
    return [
        Row(
            what="fairness: smallest share of 4 processes",
            unit="× fair",
            values=shares,
            target=f"≥ {LEAST:g} × fair share",
            ratio=least,
            ok=at_least(least, LEAST),
            note=f"worst round; total throughput {sum(rates) / len(rates):,.0f} jobs/s",
        ),
        Row(
            what="fairness: wait for a transaction, p99.9",
            unit="ms",
            values=waits,
            target=f"≤ {LONGEST:g} ms",
            ratio=None if most is None else most / LONGEST,
            ok=at_most(most, LONGEST),
            note=note,
        ),
    ]


def _work(start: Start, database: Path, seconds: float) -> tuple[int, float, list[float]]:
    """Run one process; return its completed jobs, its run time and its waits, in seconds."""
    warm_up(database.with_name(f"warm-{time.monotonic_ns()}.db"), THREADS)
    with open_queue(database) as queue:
        waits = time_transactions(queue)
        worker = Worker(queue, threads=THREADS)
        start()
        started = time.monotonic()
        end = started + seconds
        worker.start()
        # Poll rarely: each poll is one more reader of the file.
        while (now := time.monotonic()) < end and queue.count("state:pending"):
            time.sleep(min(0.1, end - now))
        took = time.monotonic() - started
        worker.stop(2.0)
        return queue.count(f"state:completed worker:{worker.id}"), took, list(waits)


def time_transactions(queue: Queue) -> list[float]:
    """Record the wait of each transaction of the store; return the growing list."""
    waits: list[float] = []
    depth = threading.local()
    transaction = queue.store.transaction

    @contextmanager
    def timed() -> Iterator[Any]:
        requested = time.perf_counter()
        with transaction() as given:
            if not getattr(depth, "inside", False):
                waits.append(time.perf_counter() - requested)
                depth.inside = True
                try:
                    yield given
                finally:
                    depth.inside = False
            else:
                yield given

    def wrapped() -> AbstractContextManager[Any]:
        return timed()

    queue.store.transaction = wrapped  # type: ignore[method-assign]
    return waits
