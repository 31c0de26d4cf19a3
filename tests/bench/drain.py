"""Measure how fast no-op jobs are processed at FULL, with fencing, attempts, counters and metrics.

Each variant gets a fresh copy of a queue of pending no-op jobs and its own processes, which warm up on another queue and
start together. The figure counts completed jobs in the file, from the start of the workers until the time is up or the
queue is empty. The variants alternate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import peers
import raw
from figures import Row, Scale, at_least, best, ratio
from processes import Start, open_queue, run, wait_for, worker
from stock import copy_database, delete_database, stock

from jobdeck import Queue, Worker

HUEY = 10.0
OTHERS = 0.8
RAW = 0.25
_POLL = 0.01


def measure(scale: Scale) -> list[Row]:
    """Measure jobdeck in five configurations, Huey in two, and bare SQLite in two."""
    ready = stock(scale.folder / "drain.db", scale.jobs)
    bare = raw.fill(scale.folder / "raw.db", scale.jobs)
    variants: dict[str, Callable[[Path], float]] = {
        "4 threads": lambda copy: jobdeck(copy, (4,), scale.seconds),
        "1 thread": lambda copy: jobdeck(copy, (1,), scale.seconds),
        "8 threads": lambda copy: jobdeck(copy, (8,), scale.seconds),
        "2 processes of 2 threads": lambda copy: jobdeck(copy, (2, 2), scale.seconds),
        "4 threads, `jobdeck worker`": lambda copy: command(copy, 4, scale.seconds),
        "raw, batches of 64": lambda copy: run(scale.seconds, (raw.drain_in_batches, copy, scale.seconds))[0],
        "raw, one a commit": lambda copy: run(scale.seconds, (raw.drain_singly, copy, scale.seconds))[0],
    }
    templates = dict.fromkeys(variants, ready) | {name: bare for name in variants if name.startswith("raw")}
    if peers.huey_version():
        filled = scale.folder / "huey.db"
        run(60.0, (peers.fill, filled, scale.jobs))
        variants["Huey, 1 thread"] = lambda copy: run(scale.seconds, (peers.drain, copy, 1, scale.seconds))[0]
        variants["Huey, 4 threads"] = lambda copy: run(scale.seconds, (peers.drain, copy, 4, scale.seconds))[0]
        templates |= {"Huey, 1 thread": filled, "Huey, 4 threads": filled}
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(scale.rounds):
        for name, variant in variants.items():
            copy = copy_database(templates[name], "copy")
            found[name].append(variant(copy))
            delete_database(copy)
    return _rows(found)


def _rows(found: dict[str, list[float]]) -> list[Row]:
    huey = best(found.get("Huey, 1 thread", []), found.get("Huey, 4 threads", []))
    four, limit = found["4 threads"], found["raw, batches of 64"]
    rows = []
    for name, values in found.items():
        to_huey = ratio(values, huey)
        beside = f"{to_huey:.1f} × Huey's best" if to_huey and not name.startswith("Huey") else ""
        row = Row(what=f"drain: {name}", unit="jobs/s", values=values, note=beside)
        if name == "4 threads":
            row = replace(row, note="" if huey else peers.MISSING)
            rows.append(_judged(row, to_huey, HUEY, "Huey's best"))
            row = replace(row, what="drain: 4 threads, to the limit", note="")
            row = _judged(row, ratio(values, limit), RAW, "raw, batches of 64")
        elif name in ("1 thread", "8 threads", "2 processes of 2 threads"):
            row = _judged(row, ratio(values, four), OTHERS, "4 threads")
        rows.append(row)
    if not huey:
        rows.append(Row(what="drain: Huey", unit="jobs/s", values=[], note=peers.MISSING))
    return rows


def _judged(row: Row, found: float | None, target: float, whose: str) -> Row:
    return replace(row, target=f"≥ {target:g} × {whose}", ratio=found, ok=at_least(found, target))


def jobdeck(database: Path, threads: tuple[int, ...], seconds: float) -> float:
    """Run one process per number, with that number of threads; return jobs per second."""
    results: list[tuple[float, float, int]] = run(seconds, *((_work, database, each, seconds) for each in threads))
    started = min(each for each, _, _ in results)
    ended, done = max((ended, done) for _, ended, done in results)
    return done / (ended - started)


def _work(start: Start, database: Path, threads: int, seconds: float) -> tuple[float, float, int]:
    """Run one process; return when it started, when it ended, and how many jobs all processes had completed by then."""
    warm_up(database.with_name(f"warm-{time.monotonic_ns()}.db"), threads)
    with open_queue(database) as queue:
        jobs = queue.count("state:pending")
        worker = Worker(queue, threads=threads)
        start()
        started = time.monotonic()
        worker.start()
        ended, done = watch(queue, jobs, started + seconds)
        worker.stop(1.0)
        assert not queue.count("state:failed,retrying"), "a no-op job failed"
    return started, ended, done


def warm_up(database: Path, threads: int) -> None:
    """Run some jobs of another queue, so that all imports are done and all code is in memory."""
    with open_queue(database, "OFF") as queue:
        queue.enqueue_many([queue.new_job("bench.noop", {"n": n}) for n in range(200)])
        with Worker(queue, threads=threads) as worker:
            assert worker.wait_idle(30.0)
    delete_database(database)


def watch(queue: Queue, jobs: int, end: float) -> tuple[float, int]:
    """Wait until the given number of jobs has completed or the time is up; return when, and how many completed."""
    while True:
        done = queue.count("state:completed")
        now = time.monotonic()
        if done >= jobs or now >= end:
            return now, done
        time.sleep(_POLL)


def command(database: Path, threads: int, seconds: float) -> float:
    """Run `jobdeck worker`; return jobs per second after its first jobs."""
    with worker(database, "--threads", str(threads)), open_queue(database) as queue:
        return rate(queue, seconds)


def rate(queue: Queue, seconds: float, least: int = 100) -> float:
    """Return the jobs per second that other processes complete, after the first `least` jobs."""
    jobs = queue.count("state:pending,running,completed")
    wait_for(lambda: queue.count("state:completed") >= least, f"the first {least} jobs")
    before, started = queue.count("state:completed"), time.monotonic()
    ended, done = watch(queue, jobs, started + seconds)
    assert not queue.count("state:failed,retrying"), "a job failed"
    return (done - before) / (ended - started)
