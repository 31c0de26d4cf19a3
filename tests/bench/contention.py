"""Measure many worker processes on one SQLite file: the time, the runs of each job, the waits and the CPU.

    python tests/bench/contention.py                                8, 16, 24, 32 and 50 processes, no-op jobs
    python tests/bench/contention.py --processes 50 --work 0.05     50 processes, jobs of 50 ms
    python tests/bench/contention.py --processes 1,2,3,4 --jobs 60000

Each process has two worker threads, and opens the file itself. `--together` starts them all at once without waiting for the
last one to be ready, as a service manager does. All jobs are there from the start. A job has run twice if its handler was
called twice, although no process died. A wait is the time from requesting `Store.transaction()` to entering it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drain import warm_up
from fairness import time_transactions
from figures import Row, Scale, at_least, at_most, percentile
from processes import Start, open_queue, run
from stock import copy_database, delete_database, stock

from jobdeck import Worker, context, job

THREADS = 2
MANY = 50
"""The number of processes of the target."""
MANY_JOBS = 20_000
LONGEST = 5.0
"""Seconds: the target for `MANY` processes."""
_SCALES = (1, 2, 3, 4)
"""The numbers of processes that are compared with each other."""
_NO_SLOWER = 0.9
"""The target for the throughput of n processes, as a share of that of n - 1: rounds differ by a tenth."""
_WARMED = 8
"""The number of processes up to which each first runs some jobs of another queue: with more, that takes minutes."""
_PATIENCE = 300.0
"""Seconds that a process waits for the queue to be empty."""

_runs: list[int] = []


@job(name="bench.recorded")
def recorded(n: int, seconds: float = 0.0) -> None:
    """Record that this job has run in this process; wait, if asked to, like code that waits for a server."""
    _runs.append(context().job_id)
    if seconds:
        time.sleep(seconds)


@dataclass(frozen=True)
class Contest:
    """The figures of one run."""

    processes: int
    seconds: float
    """From the first start to the last recorded result."""
    runs: int
    twice: int
    """Jobs whose handler ran more than once."""
    released: int
    """Claims that were given back."""
    rescued: int
    """Leases that ended although no process died."""
    waits: Sequence[float]
    user: float
    system: float
    """CPU seconds of all processes."""

    @property
    def rate(self) -> float:
        """Return the jobs per second."""
        return self.runs / self.seconds

    def line(self) -> str:
        """Return the figures as one line of the table."""
        return (
            f"{self.processes:>9} {self.seconds:>8.2f} {self.rate:>8,.0f} {self.runs:>7,}"
            f" {self.twice:>6} {self.rescued:>8} {self.released:>9}"
            f" {1e3 * percentile(self.waits, 0.5):>7.0f} {1e3 * percentile(self.waits, 0.999):>7.0f}"
            f" {1e3 * max(self.waits):>7.0f} {self.user:>7.1f} {self.system:>7.1f}"
        )


HEADING = "processes  seconds   jobs/s    runs  twice  rescued  released  p50 ms   p99.9     max  user s   sys s"


def measure(scale: Scale) -> list[Row]:
    """Measure many processes on one file, and whether another process makes it slower."""
    template = stock(scale.folder / "many.db", MANY_JOBS, kind="bench.recorded")
    most = [compete(template, MANY) for _ in range(2 if scale.rounds > 2 else 1)]
    delete_database(template)
    took = max(each.seconds for each in most)
    twice = sum(each.twice for each in most)
    note = f"p99.9 of the waits {max(1e3 * percentile(each.waits, 0.999) for each in most):,.0f} ms"
    rows = [
        Row(
            what=f"contention: {MANY} processes, {MANY_JOBS:,} jobs",
            unit="s",
            values=[each.seconds for each in most],
            target=f"≤ {LONGEST:g} s",
            ratio=took / LONGEST,
            ok=at_most(took, LONGEST),
            note=note,
        ),
        Row(
            what=f"contention: jobs that ran twice in {MANY} processes",
            unit="jobs",
            values=[each.twice for each in most],
            target="none",
            ok=not twice,
        ),
    ]
    template = stock(scale.folder / "few.db", min(scale.jobs, 2 * MANY_JOBS), kind="bench.recorded")
    rates: dict[int, list[float]] = {n: [] for n in _SCALES}
    for _ in range(scale.rounds):
        for n in _SCALES:
            rates[n].append(compete(template, n).rate)
    medians = {n: sorted(each)[len(each) // 2] for n, each in rates.items()}
    for n in _SCALES:
        found = medians[n] / medians[n - 1] if n > 1 else None
        target = f"≥ {_NO_SLOWER:g} × one process fewer" if n > 1 else ""
        ok = None if found is None else at_least(found, _NO_SLOWER)
        what = f"contention: {n} process{'es' if n > 1 else ''} of {THREADS} threads"
        rows.append(Row(what=what, unit="jobs/s", values=rates[n], target=target, ratio=found, ok=ok))
    return rows


def compete(template: Path, processes: int, *, together: bool = False) -> Contest:
    """Let this number of processes empty a copy of the database."""
    database = copy_database(template, f"{template.stem}-{processes}")
    results = run(_PATIENCE, *[(_work, database, together, processes <= _WARMED)] * processes)
    with open_queue(database) as queue:
        left = queue.count("state:pending,running,retrying,scheduled")
        total = queue.history.metrics(seconds=3600.0, slices=1).total
        assert not left, f"{left} jobs were not completed"
    delete_database(database)
    runs = Counter(each for done, *_ in results for each in done)
    return Contest(
        processes=processes,
        seconds=max(ended for _, _, ended, *_ in results) - min(started for _, started, *_ in results),
        runs=runs.total(),
        twice=sum(n > 1 for n in runs.values()),
        released=total.released,
        rescued=total.crashed,
        waits=[wait for *_, waits, _, _ in results for wait in waits],
        user=sum(user for *_, user, _ in results),
        system=sum(system for *_, system in results),
    )


def _work(
    start: Start, database: Path, together: bool, warm: bool
) -> tuple[list[int], float, float, list[float], float, float]:
    """Run one process until the queue is empty; return its runs, when it started and ended, its waits, its CPU seconds."""
    if warm:
        warm_up(database.with_name(f"warm-{time.monotonic_ns()}.db"), THREADS)
        _runs.clear()
    if together:
        start()  # the file is not open yet
    with open_queue(database) as queue:
        waits = time_transactions(queue)
        if not together:
            start()
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.monotonic()
        with Worker(queue, threads=THREADS) as worker:
            assert worker.wait_idle(_PATIENCE), "the queue is not empty"
            ended = time.monotonic()
            used = resource.getrusage(resource.RUSAGE_SELF)
        return _runs, started, ended, list(waits), used.ru_utime - before.ru_utime, used.ru_stime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", default="8,16,24,32,50", metavar="N[,N]", help="numbers of processes to measure")
    parser.add_argument("--jobs", type=int, default=MANY_JOBS, metavar="N", help=f"number of jobs (default {MANY_JOBS:,})")
    parser.add_argument("--work", type=float, default=0.0, metavar="S", help="seconds that each job waits (default 0)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds of each (default 1)")
    parser.add_argument("--together", action="store_true", help="open the file in all processes at once")
    parser.add_argument("--folder", help="folder for the databases, on a disk, not in memory (default: the temporary folder)")
    given = parser.parse_args()
    twice = 0
    with tempfile.TemporaryDirectory(prefix="jobdeck-contention-", dir=given.folder, ignore_cleanup_errors=True) as folder:
        args = {"n": 1, "seconds": given.work}
        template = stock(Path(folder) / "jobs.db", given.jobs, kind="bench.recorded", args=args)
        print(HEADING, flush=True)
        for _ in range(given.rounds):
            for n in map(int, given.processes.split(",")):
                found = compete(template, n, together=given.together)
                twice += found.twice
                print(found.line(), flush=True)
    if twice:
        print(f"{twice} jobs ran twice.", file=sys.stderr)
    return 1 if twice else 0


if __name__ == "__main__":
    # Children import this module by its name, and the kind must be known under one module only.
    from contention import main as named_main

    sys.exit(named_main())
