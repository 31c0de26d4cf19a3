"""Fill a database with jobs in every state, quickly, through the engine's own enqueue, claim and complete.

    python tests/bench/fill.py jobs.db --jobs 100000

Durability is off during the fill (it is a property of a connection, not of the file).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from jobdeck import Job, NewJob, Queue, Settings, load_apps
from jobdeck.model.attempt_result import Completed, Failed
from jobdeck.store.claim_capacity import ClaimRequest

TASKS = Path(__file__).with_name("tasks.py")
QUEUES = ("default", "img", "mail", "report", "webhook")
SHARES = {"completed": 0.60, "failed": 0.05, "retrying": 0.02, "cancelled": 0.03, "scheduled": 0.10, "pending": 0.20}
BATCH = 5_000


def fill(database: str | Path, jobs: int, *, kind: str = "bench.sleep", seed: int = 1) -> dict[str, int]:
    """Fill the database with `jobs` jobs; pending and scheduled ones are of `kind`. Return the counts by state."""
    load_apps([str(TASKS)])
    random = Random(seed)
    with Queue(database, settings=Settings(database=str(database), synchronous="OFF")) as queue:
        for state, share in SHARES.items():
            for size in _batches(round(jobs * share)):
                _make(queue, state, size, kind, random)
        return {state.value: count for state, count in queue.overview().counts.items() if count}


def _batches(total: int) -> Iterator[int]:
    for offset in range(0, total, BATCH):
        yield min(BATCH, total - offset)


def _make(queue: Queue, state: str, size: int, kind: str, random: Random) -> None:
    store = queue.store
    with queue.transaction():
        match state:
            case "pending":
                queue.enqueue_many(_drafts(queue, kind, size, random))
            case "scheduled":
                queue.enqueue_many(_drafts(queue, kind, size, random, delay=3_600.0))
            case "cancelled":
                queue.cancel_many([job.id for job in queue.enqueue_many(_drafts(queue, kind, size, random, delay=60.0))])
            case "completed":
                done = [
                    Completed(job, *_ran(job, random), result_json=str(job.id)) for job in _claimed(queue, kind, size, random)
                ]
                assert not store.completer.complete(done)
            case _:
                failures = [
                    Failed(
                        job,
                        *_ran(job, random),
                        retry_at=time.time() + random.uniform(1_800, 86_400) if state == "retrying" else None,
                        error_type="TimeoutError",
                        message="The read operation timed out",
                        traceback='Traceback (most recent call last):\n  File "tasks.py", line 37, in fail\nTimeoutError\n',
                    )
                    for job in _claimed(queue, "bench.fail", size, random)
                ]
                assert not store.completer.fail(failures)


def _drafts(queue: Queue, kind: str, size: int, random: Random, delay: float = 0.0) -> list[NewJob]:
    return [
        queue.new_job(
            kind,
            {"n": n},
            queue=random.choice(QUEUES),
            priority=random.choice((0, 0, 0, 5, 9, -5)),
            delay=random.uniform(delay, 24 * delay) if delay else None,
        )
        for n in range(size)
    ]


def _claimed(queue: Queue, kind: str, size: int, random: Random) -> Sequence[Job]:
    queue.enqueue_many(_drafts(queue, kind, size, random))
    claimed = queue.store.claimer.claim(ClaimRequest("bench:0:fill", size, kinds=[kind], queues=(), lease=60.0))
    assert len(claimed) == size
    return claimed


def _ran(job: Job, random: Random) -> tuple[float, float]:
    assert job.started_at is not None
    return job.started_at, job.started_at + random.expovariate(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("database")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument(
        "--handlers", choices=("sleep", "cpu"), default="sleep", help="handler of the pending jobs (default sleep)"
    )
    given = parser.parse_args()
    started = time.perf_counter()
    counts = fill(given.database, given.jobs, kind=f"bench.{given.handlers}")
    took = time.perf_counter() - started
    size = os.path.getsize(given.database)
    print(f"{sum(counts.values()):,} jobs in {took:.1f} s, {size / 1e6:.0f} MB: {counts}")


if __name__ == "__main__":
    main()
