"""Fixture: two workers with four slots each that have run jobs for some minutes, in a queue whose clock then stops."""

from __future__ import annotations

import heapq
from random import Random

from tests.tui.frozen_queue import TRACEBACK, FrozenQueue

from jobdeck import Job
from jobdeck.model.attempt_result import Completed, Failed

_TAKES = {"mail.send_receipt": (0.3, 1.5), "webhook.post": (0.2, 2.5), "img.resize": (2.0, 7.0), "report.daily": (8.0, 25.0)}


def lively(still: FrozenQueue, seconds: float = 180.0, seed: int = 3) -> None:
    """Run jobs for this many seconds, slot by slot; some jobs are still running at the end."""
    luck = Random(seed)
    store, clock = still.store, still.clock
    end = clock.now() + seconds
    slots = [(clock.now() + luck.random(), slot, None, 0.0) for slot in range(8)]
    running: list[tuple[float, int, Job | None, float]] = slots
    heapq.heapify(running)
    while running and running[0][0] < end:
        at, slot, job, begun = heapq.heappop(running)
        clock.advance(max(0.0, at - clock.now()))
        store.transitions.stage()
        if job is not None:
            _finish(still, luck, job, begun)
        if luck.random() < 0.75:
            still.queue.enqueue_many([still.queue.new_job(*still.draw(), max_attempts=3)])
        claimed = still.claim(1, worker=slot % 2)
        if claimed:
            low, high = _TAKES[claimed[0].kind]
            heapq.heappush(running, (clock.now() + luck.uniform(low, high), slot, claimed[0], clock.now()))
        else:
            heapq.heappush(running, (clock.now() + luck.uniform(0.4, 2.0), slot, None, 0.0))
    clock.advance(max(0.0, end - clock.now()))
    for _, _, job, _ in running:
        if job is not None and job.lease is not None:
            store.transitions.heartbeat([(job.id, job.lease)], 20.0)
    clock.advance(1.5)
    still.beat()


def _finish(still: FrozenQueue, luck: Random, job: Job, begun: float) -> None:
    now = still.clock.now()
    if luck.random() < 0.07:
        last = job.attempt >= job.max_attempts
        error = ("SMTPServerDisconnected", "Connection unexpectedly closed", TRACEBACK)
        still.store.completer.fail([Failed(job, begun, now, None if last else now + luck.uniform(1, 6), *error)])
    else:
        still.store.completer.complete([Completed(job, begun, now, None)])
