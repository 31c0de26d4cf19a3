"""Measure the cost of a claim, a count and a page in a table of millions of rows.

There are two files: a small one with 320 pending jobs in five queues, and a large one with a million finished, a million
scheduled and a million pending jobs. Each claim is timed alone, in a transaction that is rolled back, so that every
claim sees the same rows and no commit hides its cost. The files alternate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from figures import Row, Scale, at_most, ratio
from processes import open_queue
from stock import QUEUES, stock

from jobdeck import Queue
from jobdeck.store.claim_capacity import ClaimRequest

GROWTH = 1.5
COUNTS = 1.0
PAGE = 2.0
_CLAIMED = (1, 64)
_AT_ONCE = 50
"""The number of calls whose median is the figure of one round."""


class _Undo(Exception):
    """Roll a claim back."""


def measure(scale: Scale) -> list[Row]:
    """Measure claims in both files, and counts and pages in the large one."""
    ready = len(QUEUES) * max(_CLAIMED)
    small = stock(scale.folder / "small.db", ready, queues=QUEUES)
    large = _large(scale.folder / "large.db", scale.rows)
    with open_queue(small) as few, open_queue(large) as many:
        claims = [(limit, *_claims(few, many, limit, scale.rounds)) for limit in _CLAIMED]
        rows = [_growth(limit, alone, beside) for limit, alone, beside in claims]
        queries: dict[str, tuple[float, Callable[[], object]]] = {
            "counts by state and queue": (COUNTS, many.queues),
            "counts, `count('state:pending')`": (COUNTS, lambda: many.count("state:pending")),
            "page of the newest": (PAGE, lambda: many.list()),
            "page of one state, pending": (PAGE, lambda: many.list("state:pending")),
            "page of one state, completed": (PAGE, lambda: many.list("state:completed")),
            "page of one state, scheduled": (PAGE, lambda: many.list("state:scheduled")),
            "page of one state, a rare one": (PAGE, lambda: many.list("state:cancelled")),
            "page of one queue": (PAGE, lambda: many.list("queue:mail")),
            "page of one queue, a rare one": (PAGE, lambda: many.list("queue:rare")),
        }
        found: dict[str, list[float]] = {name: [] for name in queries}
        for _ in range(scale.rounds):
            for name, (_, query) in queries.items():
                found[name].append(statistics.median(_times(query, _AT_ONCE)))
    for name, (limit, _) in queries.items():
        typical = statistics.median(found[name])
        rows.append(
            Row(
                what=f"{3 * scale.rows:,} rows: {name}",
                unit="ms",
                values=found[name],
                target=f"≤ {limit:g} ms",
                ratio=typical / limit,
                ok=at_most(typical, limit),
            )
        )
    return rows


def _large(database: Path, rows: int) -> Path:
    for state in ("completed", "scheduled", "pending"):
        stock(database, rows, state=state, queues=QUEUES)
    with open_queue(database) as queue:
        rare = queue.enqueue_many([queue.new_job("bench.noop", {"n": n}, queue="rare", delay=3_600.0) for n in range(20)])
        queue.cancel_many([job.id for job in rare[:10]])
    return database


def _claims(few: Queue, many: Queue, limit: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of one claim of `limit` jobs, per round, for each file."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        for queue, times in ((few, alone), (many, beside)):
            times.append(statistics.median(_claim(queue, limit) for _ in range(_AT_ONCE)))
    return alone, beside


def _claim(queue: Queue, limit: int) -> float:
    took = 0.0
    try:
        with queue.transaction():
            started = time.perf_counter()
            claimed = queue.store.claimer.claim(
                ClaimRequest("bench:0:claim", limit, kinds=["bench.noop"], queues=(), lease=60.0)
            )
            took = 1e3 * (time.perf_counter() - started)
            assert len(claimed) == limit
            raise _Undo
    except _Undo:
        return took


def _times(query: Callable[[], object], calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        query()
        times.append(1e3 * (time.perf_counter() - started))
    return times


def _growth(limit: int, alone: list[float], beside: list[float]) -> Row:
    growth = ratio(beside, alone)
    return Row(
        what=f"claim of {limit}, beside millions",
        unit="ms",
        values=beside,
        target=f"≤ {GROWTH:g} × an empty table",
        ratio=growth,
        ok=at_most(growth, GROWTH),
        note=f"empty table: {statistics.median(alone):.3f} ms",
    )
