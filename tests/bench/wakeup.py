"""Measure how soon an idle worker in another process starts a job, and its CPU use while idle.

`jobdeck worker` runs on an empty queue. This process enqueues one job after another, with random gaps in which the worker
becomes idle again. The handler returns its start time on the monotonic clock that all processes of a machine share. The
delay counts from the call of `enqueue`, so it includes the commit. Then the worker's CPU time is measured over ten idle
seconds.
"""

from __future__ import annotations

import time
from random import Random

from figures import Row, Scale, at_most, percentile
from processes import cpu_seconds, open_queue, wait_for, worker

HALF = 1.0
NEARLY_ALL = 10.0
IDLE = 0.5
_SETTLE = 1.5
"""Seconds after the start and after the last job until the worker counts as idle."""
_GAPS = (0.005, 0.055)


def measure(scale: Scale) -> list[Row]:
    """Measure the wake-ups of one worker, and its CPU use when idle."""
    random = Random(3)
    database = scale.folder / "wakeup.db"
    enqueued: dict[int, tuple[float, float]] = {}
    with open_queue(database) as queue, worker(database) as pid:
        queue.enqueue("bench.stamp", {"n": 0})
        wait_for(lambda: queue.count("state:completed") == 1, "the first job")
        time.sleep(_SETTLE)
        for n in range(scale.tries):
            called = time.monotonic()
            job = queue.enqueue("bench.stamp", {"n": n})
            enqueued[job.id] = called, time.monotonic()
            time.sleep(random.uniform(*_GAPS))
        wait_for(lambda: queue.count("state:completed") == scale.tries + 1, "the last job")
        time.sleep(_SETTLE)
        before, since = cpu_seconds(pid), time.monotonic()
        time.sleep(scale.idle)
        after, took = cpu_seconds(pid), time.monotonic() - since
        started = {job_id: float(queue.get(job_id).result) for job_id in enqueued}
    delays = [1e3 * (started[job_id] - called) for job_id, (called, _) in enqueued.items()]
    later = [1e3 * max(0.0, started[job_id] - stored) for job_id, (_, stored) in enqueued.items()]
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    idle = None if before is None or after is None else 100 * (after - before) / took
    return [
        Row(
            what="wake-up: enqueue to handler, p50",
            unit="ms",
            values=[p50],
            target=f"≤ {HALF:g} ms",
            ratio=p50 / HALF,
            ok=at_most(p50, HALF),
            note=f"{len(delays)} tries; {percentile(later, 0.5):.2f} ms after the enqueue returned",
        ),
        Row(
            what="wake-up: enqueue to handler, p99",
            unit="ms",
            values=[p99],
            target=f"≤ {NEARLY_ALL:g} ms",
            ratio=p99 / NEARLY_ALL,
            ok=at_most(p99, NEARLY_ALL),
            note=f"longest {max(delays):.1f} ms",
        ),
        Row(
            what="wake-up: CPU of the idle worker",
            unit="% of a core",
            values=[] if idle is None else [idle],
            target=f"≤ {IDLE:g} % of a core",
            ratio=None if idle is None else idle / IDLE,
            ok=at_most(idle, IDLE),
            note=f"over {took:.0f} s",
        ),
    ]
