"""Builds the metric families of one scrape from what the queue keeps."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

from ..model.overview import QueueInfo, WorkerInfo
from ..model.states import FINAL, State
from ..model.totals import Totals
from ..queue import Queue
from .families import Breakdown, Family, Gauge, Histogram, Total

OTHERS = ""
"""The label of the queues that are left out; no queue has this name."""

_BY_KIND = ("queue", "kind")
_STATES = tuple(State)
_OUTCOMES = tuple(state for state in State if state in FINAL)
_NOTHING = Totals(kinds=())


def read_families(queue: Queue, max_queues: int, max_kinds: int) -> Iterator[Family]:
    """Yield the metrics of a queue. Raises `StoreError`."""
    yield from _queue_families(queue.queues(), queue.history.oldest_waits(), max_queues)
    totals = queue.history.totals(limit=max_kinds)
    yield from _kind_families(totals)
    yield from _total_families(totals)
    yield from _worker_families(queue.workers.list())
    yield _build_info(queue)


def describe_families(queue: Queue) -> Iterator[Family]:
    """Yield the same metrics of an empty queue, without reading anything."""
    yield from _queue_families((), {}, 0)
    yield from _kind_families(_NOTHING)
    yield from _total_families(_NOTHING)
    yield from _worker_families(())
    yield _build_info(queue)


def _queue_families(queues: Sequence[QueueInfo], waits: Mapping[str, float], most: int) -> Iterator[Family]:
    jobs = Breakdown("jobdeck_jobs", "Jobs in the queue by state.", ("queue", "state"), _STATES)
    oldest = Gauge("jobdeck_queue_oldest_ready_seconds", "Wait of the oldest ready job; 0 without one.", ("queue",))
    paused = Gauge("jobdeck_queue_paused", "Whether the queue is paused: 1 or 0.", ("queue",))
    left_out = Gauge("jobdeck_queues_left_out", "Queues without samples of their own, because there are too many.")
    shown, others = queues, Counter[State]()
    if len(queues) > most:
        shown = sorted(queues, key=lambda each: (-_unfinished(each), each.name))[:most]
        names = {each.name for each in shown}
        for each in queues:
            if each.name not in names:
                others.update(each.counts)
    for each in shown:
        jobs.add((each.name,), [*map(each.counts.get, _STATES, repeat(0))])
        oldest.add((each.name,), max(0.0, waits.get(each.name, 0.0)))
        paused.add((each.name,), int(each.paused))
    if others:
        jobs.add((OTHERS,), [others[state] for state in _STATES])
    left_out.add((), len(queues) - len(shown))
    yield from (jobs, oldest, paused, left_out)


def _unfinished(queue: QueueInfo) -> int:
    return sum(n for state, n in queue.counts.items() if state not in FINAL)


def _kind_families(totals: Totals) -> Iterator[Family]:
    by_outcome = (*_BY_KIND, "outcome")
    help = "Jobs that finished, by final state."
    finished = Breakdown("jobdeck_jobs_finished_total", help, by_outcome, _OUTCOMES, kind="counter")
    run = Histogram("jobdeck_job_run_seconds", "Run times of attempts.", _BY_KIND)
    wait = Histogram("jobdeck_job_wait_seconds", "Times from due to start of attempts.", _BY_KIND)
    left_out = Gauge("jobdeck_kinds_left_out", "Pairs of queue and kind without totals, because there are too many.")
    for each in totals.kinds:
        finished.add((each.queue, each.kind), [each.finished[state] for state in _OUTCOMES])
        run.add((each.queue, each.kind), each.run)
        wait.add((each.queue, each.kind), each.wait)
    left_out.add((), totals.kinds_left_out)
    yield from (finished, run, wait, left_out)


def _total_families(totals: Totals) -> Iterator[Family]:
    for name, help, n in (
        ("retries", "Failed and crashed attempts after which the job was retried.", totals.retries),
        ("crashes", "Attempts whose process died.", totals.crashes),
        ("late_results", "Results that were refused because the lease was lost.", totals.late_results),
    ):
        family = Total(f"jobdeck_{name}_total", help)
        family.add((), n)
        yield family


def _worker_families(registered: Sequence[WorkerInfo]) -> Iterator[Family]:
    workers = Gauge("jobdeck_workers", "Worker processes by state; silent ones have sent no heartbeat for a lease.", ("state",))
    threads = Gauge("jobdeck_worker_threads", "Threads of live workers; stuck ones ignore a stop request.", ("state",))
    states = Counter(_worker_state(each) for each in registered)
    for state in ("alive", "draining", "stalled", "silent"):
        workers.add((state,), states[state])
    alive = [each for each in registered if each.alive]
    busy = [min(each.running, each.threads) for each in alive]
    stuck = sum(each.stuck for each in alive)
    idle = sum(each.threads for each in alive) - sum(busy)
    for state, n in (("busy", sum(busy)), ("idle", idle), ("stuck", stuck)):
        threads.add((state,), n)
    yield from (workers, threads)


def _worker_state(worker: WorkerInfo) -> str:
    if not worker.alive:
        return "silent"
    if worker.stalled:
        return "stalled"
    return "draining" if worker.draining else "alive"


def _build_info(queue: Queue) -> Family:
    from .. import __version__

    family = Gauge("jobdeck_build_info", "The version of jobdeck, always 1.", ("version", "database", "python"))
    family.add((__version__, queue.database_type, platform.python_version()), 1)
    return family
