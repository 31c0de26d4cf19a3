"""The lively workload of `jobdeck demo`: a producer that keeps a queue busy.

Nothing here is drawn on the screen only: every job is enqueued, claimed, run and retried by the engine.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from random import Random

from jobdeck import JobdeckError, NewJob, Queue, State

from .traffic import STEP, Order, opening, stream

logger = logging.getLogger("jobdeck.demo")

MAX_PENDING = 1500
"""The producer pauses while more jobs than this are pending."""
MAX_PENDING_PAUSED = 80
"""The same for a queue that is paused: enough to be seen, not so much that it hides the others."""
MAX_LATER = 400
"""The producer makes no further scheduled jobs while there are more than this."""
PAUSED = "search"
"""The queue that is paused when the demo opens, so that there is one to resume."""
ACTOR = "demo"
"""Who cancels and pauses here, so that the person at the screen undoes only what they did."""


def prefill(queue: Queue, seed: int = 7) -> None:
    """Enqueue the opening backlog, cancel a few of it, pause one queue. Takes some ten milliseconds.

    With workers at it, every state and every chart has something to show within ten seconds.
    """
    queue.pause(PAUSED, who=ACTOR)
    jobs = queue.enqueue_many(_drafts(queue, opening(seed)))
    later = [each.id for each in jobs if each.state is State.SCHEDULED]
    letters = [each.id for each in jobs if each.kind == "mail.newsletter" and each.state is State.PENDING]
    queue.cancel_many([*later[::9], *letters[-4:]], who=ACTOR)


def _drafts(queue: Queue, orders: Sequence[Order]) -> list[NewJob]:
    return [queue.new_job(order.kind, order.args, **order.options) for order in orders]


class Workload:
    """Keeps a queue busy from a thread of its own: a backlog at once, then waves and bursts.

    The queue must know the kinds of `demo_registry`.

    Example:
        >>> workload = Workload(queue, seed=7)
        >>> workload.start()
        >>> workload.stop()
    """

    def __init__(self, queue: Queue, *, seed: int = 7) -> None:
        self._queue = queue
        self._seed = seed
        self._cancels = Random(f"cancels {seed}")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with `prefill`. Returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._produce, name="jobdeck-demo", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Enqueue nothing more. Takes less than 0.3 s."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=0.25)

    def _produce(self) -> None:
        opened = False
        deliveries = stream(self._seed)
        due = time.monotonic()
        step = 0
        while not self._over.is_set():
            try:
                if not opened:
                    prefill(self._queue, self._seed)
                    opened = True
                self._deliver(next(deliveries), step)
            except JobdeckError as error:
                if not self._over.is_set():
                    logger.warning("The demo could not enqueue: %s", error)
                    self._over.wait(1.0)
            except Exception:
                if not self._over.is_set():  # otherwise the queue was closed in mid-step: that is the end of the demo
                    logger.exception("The demo's workload ended")
                return
            step += 1
            # After a machine has slept, nothing is caught up.
            due = max(due + STEP, time.monotonic() - STEP)
            self._over.wait(max(0.0, due - time.monotonic()))

    def _deliver(self, orders: list[Order], step: int) -> None:
        depths = {info.name: info for info in self._queue.queues()}
        room = MAX_PENDING - sum(info.pending for info in depths.values() if not info.paused)
        full = {name for name, info in depths.items() if info.paused and info.pending >= MAX_PENDING_PAUSED}
        later_full = sum(info.counts.get(State.SCHEDULED, 0) for info in depths.values()) >= MAX_LATER
        drafts = [
            draft
            for draft in _drafts(self._queue, orders)
            if draft.queue not in full and not (later_full and draft.scheduled_at is not None)
        ][: max(0, room)]
        if not drafts or self._over.is_set():
            return
        jobs = self._queue.enqueue_many(drafts)
        # Now and then somebody changes their mind.
        if step % 20 == 19:
            videos = self._queue.list("state:running kind:video.transcode", limit=1) if self._cancels.random() < 0.12 else ()
            self._queue.cancel_many([each.id for each in (*videos, self._cancels.choice(jobs))], who=ACTOR)
