"""Run jobs at a steady rate beside many finished ones on a PostgreSQL server, and draw what grows.

Two workers run no-op jobs that a third process enqueues, and prune the finished ones after a minute. A sample every few seconds
takes the jobs that finished, the time of the claims, the sizes of the jobs' table and of its indexes, dead rows, and the part
of the updates that were HOT (that wrote no index).
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from figures import percentile
from processes import STARTING, Child, Start, open_queue

from jobdeck import Queue, Worker

RETENTION = 60.0
"""Seconds that finished jobs are kept."""
_CHUNK = 0.05
"""Seconds between two bulk enqueues."""
_SAMPLES = 60
"""The number of samples of a run, if it is long enough."""
_STOCK = """
INSERT INTO jobdeck_jobs (id, kind, queue, state, priority, args, attempt, max_attempts, created_at, scheduled_at, started_at,
                          finished_at)
SELECT jobdeck_take_ids(1), 'bench.noop', 'default', 'completed', 0, '{"n": 1}', 1, 3, at - 1, at - 1, at, at
  FROM (SELECT extract(epoch FROM now()) + 86400 AS at FROM generate_series(1, %s)) AS later
"""
_TABLES = ("jobdeck_jobs", "jobdeck_attempts", "jobdeck_stripes", "jobdeck_metrics", "jobdeck_totals")
_COUNTS = """
SELECT relname, n_dead_tup, n_tup_upd, n_tup_hot_upd, n_tup_del, autovacuum_count, pg_table_size(relid), pg_indexes_size(relid)
  FROM pg_stat_user_tables WHERE relname = ANY(%s)
"""


class Sample(NamedTuple):
    """What was seen at one moment."""

    seconds: float
    jobs: float
    """Finished per second since the last sample."""
    claim: float
    """The p99 of the claims since the last sample, in milliseconds."""
    dead: int
    table: float
    """MB."""
    indexes: float
    """MB."""


def _stock(address: str, finished: int) -> None:
    with open_queue(address) as queue:
        queue.count("")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(_STOCK, (finished,))
        connection.execute(
            "INSERT INTO jobdeck_stripes SELECT -1, queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY 2, 3, 4"
        )
        connection.execute("VACUUM ANALYZE")


def _enqueue(start: Start, address: str, rate: float, seconds: float) -> int:
    with open_queue(address) as queue:
        start()
        began, done = time.monotonic(), 0
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * rate)
            if due > done:
                queue.enqueue_bulk("bench.noop", [{"n": n} for n in range(done, due)])
                done = due
            time.sleep(_CHUNK)
    return done


def _work(start: Start, address: str, seconds: float) -> list[tuple[float, float]]:
    """Run a worker; return when each claim began, on the monotonic clock, and the seconds that it took."""
    found: list[tuple[float, float]] = []
    with open_queue(address) as opened:
        settings = replace(opened.settings, retention=RETENTION)
    with Queue(address, settings=settings) as queue:
        claim = queue.store.claimer.claim

        def timed(request: Any) -> Any:
            began = time.monotonic()
            claimed = claim(request)
            found.append((began, time.monotonic() - began))
            return claimed

        queue.store.claimer.claim = timed  # type: ignore[method-assign]
        start()
        with Worker(queue, threads=2):
            time.sleep(seconds)
    return found


def _counts(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(counts) for name, *counts in connection.execute(_COUNTS, ([*_TABLES],))}


def vacuum(address: str, finished: int, rate: float, seconds: float, picture: Path | None) -> None:
    """Run jobs at this rate for so many seconds beside finished ones, print what was seen, and draw it."""
    _stock(address, finished)
    every = max(1.0, seconds / _SAMPLES)
    seen: list[tuple[float, int, dict[str, tuple[int, ...]]]] = []
    with (
        psycopg.connect(address, autocommit=True) as connection,
        Child(_enqueue, address, rate, seconds) as enqueuer,
        Child(_work, address, seconds) as one,
        Child(_work, address, seconds) as other,
    ):
        for child in (enqueuer, one, other):
            child.ready(STARTING)
        before = _counts(connection)
        for child in (enqueuer, one, other):
            child.go()
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            row = connection.execute("SELECT coalesce(sum(n), 0) FROM jobdeck_totals WHERE measure = 'completed'").fetchone()
            assert row is not None
            seen.append((now, int(row[0]), _counts(connection)))
            time.sleep(every)
        enqueued = enqueuer.result(seconds)
        claims = sorted([*one.result(seconds), *other.result(seconds)])
        after = _counts(connection)
    samples = _samples(began, seen, claims)
    print(f"{enqueued:,} jobs in {seconds:.0f} s beside {finished:,} finished ones, pruned after {RETENTION:.0f} s")
    print(f"{'seconds':>8} {'jobs/s':>8} {'claim p99 ms':>13} {'dead rows':>10} {'table MB':>9} {'indexes MB':>11}")
    for each in samples[:: max(1, len(samples) // 12)]:
        print(
            f"{each.seconds:>8.0f} {each.jobs:>8,.0f} {each.claim:>13.1f} {each.dead:>10,}"
            f" {each.table:>9.1f} {each.indexes:>11.1f}"
        )
    print(f"{'table':<18} {'updates':>10} {'HOT':>5} {'deletes':>9} {'dead at the end':>16} {'autovacuums':>12}")
    for name in _TABLES:
        start, end = before[name], after[name]
        updates = end[1] - start[1]
        hot = f"{(end[2] - start[2]) / updates:.0%}" if updates else "-"
        print(f"{name:<18} {updates:>10,} {hot:>5} {end[3] - start[3]:>9,} {end[0]:>16,} {end[4] - start[4]:>12}")
    if picture is not None:
        picture.write_text(_draw(samples), "utf-8")
        print(f"drawn in {picture}")


def _samples(
    began: float, seen: list[tuple[float, int, dict[str, tuple[int, ...]]]], claims: list[tuple[float, float]]
) -> list[Sample]:
    samples = []
    for (since, done, _), (at, more, counts) in pairwise(seen):
        took = sorted(seconds for when, seconds in claims if since <= when < at)
        dead, *_, table, indexes = counts["jobdeck_jobs"]
        p99 = 1e3 * percentile(took, 0.99) if took else 0.0
        samples.append(Sample(at - began, (more - done) / (at - since), p99, dead, table / 1e6, indexes / 1e6))
    return samples


def _draw(samples: list[Sample]) -> str:
    """Return an SVG picture with one curve for each column, over the same time."""
    width, height, gap, left = 720, 90, 46, 10
    names = {
        "jobs": "jobs/s",
        "claim": "claim p99, ms",
        "dead": "dead rows of jobs",
        "table": "table, MB",
        "indexes": "indexes, MB",
    }
    longest = max(each.seconds for each in samples)
    parts = []
    for place, (name, title) in enumerate(names.items()):
        values = [float(getattr(each, name)) for each in samples]
        top, bottom = gap + place * (height + gap), gap + place * (height + gap) + height
        most = max(values) or 1.0
        points = " ".join(
            f"{left + width * each.seconds / longest:.1f},{bottom - height * value / most:.1f}"
            for each, value in zip(samples, values, strict=True)
        )
        parts.append(f'<text x="{left}" y="{top - 8}">{title}: up to {most:,.1f}, at the end {values[-1]:,.1f}</text>')
        parts.append(f'<path d="M{left} {bottom}h{width}" stroke="#888"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>')
    total = gap + len(names) * (height + gap)
    parts.append(f'<text x="{left}" y="{total - 12}">0 to {longest:,.0f} s</text>')
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2 * left}" height="{total}"'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'{frame} font-family="sans-serif" font-size="13">{ground}{"".join(parts)}</svg>\n'
