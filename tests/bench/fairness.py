"""Whether processes that fight for one file all get their share.

Four processes, four worker threads each, work off one queue of no-op jobs for ten seconds. A process's share is what
it completed against a quarter of all. How long each transaction had to wait is taken inside the processes, from
asking for `Store.transaction()` to having it; nested ones do not count.
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
from processes import Start, opened, run
from stock import removed, stock

from jobdeck import Queue, Worker

PROCESSES = 4
THREADS = 4
LEAST = 0.5
LONGEST = 100.0
_FASTEST = 60_000
"""Jobs a second for which the queue is filled. A faster engine ends early, which is taken into account."""


def measure(scale: Scale) -> list[Row]:
    """The smallest share, and the wait that one in a thousand transactions exceeds."""
    shares, waits, longest, rates = [], [], [], []
    for n in range(2 if scale.rounds > 2 else 1):
        database = stock(scale.folder / f"fair-{n}.db", round(_FASTEST * scale.fighting))
        began = time.monotonic()
        told = run(scale.fighting, *[(_work, database, scale.fighting)] * PROCESSES)
        removed(database)
        done = [each for each, _, _ in told]
        waited = [wait for _, _, each in told for wait in each]
        assert sum(done), f"nothing was completed in {time.monotonic() - began:.0f} s"
        shares.append(min(done) / (sum(done) / PROCESSES))
        rates.append(sum(done) / max(took for _, took, _ in told))
        if waited:
            waits.append(1e3 * percentile(waited, 0.999))
            longest.append(1e3 * max(waited))
    least = min(shares)
    most = max(waits, default=None)
    note = f"longest {max(longest):,.0f} ms" if longest else "the worker opens no Store.transaction() any more"
    return [
        Row(
            what="fairness: smallest share of 4 processes",
            unit="× fair",
            values=shares,
            target=f"≥ {LEAST:g} × fair share",
            ratio=least,
            ok=at_least(least, LEAST),
            note=f"the worst round counts; all together {sum(rates) / len(rates):,.0f} jobs/s",
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
    """One of the processes; returns what it completed, in how long, and its waits, in seconds."""
    warm_up(database.with_name(f"warm-{time.monotonic_ns()}.db"), THREADS)
    with opened(database) as queue:
        waits = _timed(queue)
        worker = Worker(queue, threads=THREADS)
        start()
        began = time.monotonic()
        end = began + seconds
        worker.start()
        # Looks rarely: the look is one more reader in the fight.
        while (now := time.monotonic()) < end and queue.count("state:pending"):
            time.sleep(min(0.1, end - now))
        took = time.monotonic() - began
        worker.stop(2.0)
        return queue.count(f"state:completed worker:{worker.id}"), took, list(waits)


def _timed(queue: Queue) -> list[float]:
    """Note how long each transaction of the store has to wait; returns the list that grows."""
    waits: list[float] = []
    depth = threading.local()
    transaction = queue.store.transaction

    @contextmanager
    def timed() -> Iterator[Any]:
        asked = time.perf_counter()
        with transaction() as given:
            if not getattr(depth, "inside", False):
                waits.append(time.perf_counter() - asked)
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
