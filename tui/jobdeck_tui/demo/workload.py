"""The workload of `jobdeck demo`: a producer that keeps a queue busy.

Nothing is faked on the screen: the engine enqueues, claims, runs and retries every job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

from jobdeck import JobdeckError, NewJob, Queue, State

from .schedules import add_schedules
from .traffic import STEP, JobSpec, initial_backlog, random_job, stream

logger = logging.getLogger("jobdeck.demo")

MAX_PENDING = 1500
"""The producer waits while more jobs than this are pending."""
MAX_PENDING_PAUSED = 80
"""The same limit for a paused queue: enough to be visible, but not enough to hide the others."""
MAX_LATER = 400
"""The producer schedules no jobs for later while more than this are scheduled."""
PAUSED = "search"
"""The queue that is paused when the demo starts, so that there is one to resume."""
MAX_MEDIA = 5
"""The number of jobs of the queue media that run at once, in all processes."""
MAX_WEBHOOKS = 40
"""The number of webhooks that start in a second, in all processes."""
BATCH = 40
"""The number of jobs of a campaign, which are a batch."""
ACTOR = "demo"
"""The actor of these cancels and pauses, so that users undo only their own actions."""


def prefill(queue: Queue, seed: int = 7) -> None:
    """Enqueue the initial backlog, a batch and a chain, cancel a few jobs, pause one queue, limit others, add schedules.

    With running workers, every state and every chart has data within ten seconds.
    """
    queue.pause(PAUSED, actor=ACTOR)
    queue.limits.set("media", running=MAX_MEDIA, actor=ACTOR)
    queue.limits.set("webhook", rate=MAX_WEBHOOKS, period=1.0, actor=ACTOR)
    add_schedules(queue, ACTOR)
    jobs = queue.enqueue_many(_drafts(queue, initial_backlog(seed)))
    scheduled = [each.id for each in jobs if each.state is State.SCHEDULED]
    newsletters = [each.id for each in jobs if each.kind == "mail.newsletter" and each.state is State.PENDING]
    queue.cancel_many([*scheduled[::9], *newsletters[-4:]], actor=ACTOR)
    enqueue_campaign(queue, Random(f"campaign {seed}"))
    enqueue_chain(queue)


def enqueue_campaign(queue: Queue, random: Random) -> None:
    """Enqueue a batch, and a report that waits for all of it."""
    newsletters = [random_job("mail.newsletter", random) for _ in range(BATCH)]
    campaign = queue.batches.enqueue(_drafts(queue, newsletters), name="autumn campaign")
    parts = [*queue.ids(f"batch:{campaign.id}")]
    queue.enqueue("report.daily", {"day": "2025-10-01", "sections": ["campaign"]}, after=parts, tags=["campaign"])


def enqueue_chain(queue: Queue) -> None:
    """Enqueue jobs that wait for each other: a video, its preview, its entry in the index, its announcement."""
    source = "uploads/8/launch.mov"
    before = queue.enqueue(
        "video.transcode", {"source": source, "preset": "720p", "seconds": 10.0}, priority=8, tags=["launch"]
    )
    for kind, args in (
        ("img.resize", {"image": "uploads/8/launch.jpg", "width": 1280}),
        ("search.index", {"document": "/videos/launch"}),
        ("webhook.post", {"url": "https://hooks.acme.example/hooks/videos", "event": "order.created", "order_id": 424_300}),
    ):
        before = queue.enqueue(kind, args, queue="default", after=[before.id], tags=["launch"])


def _drafts(queue: Queue, orders: Sequence[JobSpec]) -> list[NewJob]:
    return [queue.new_job(order.kind, order.args, **order.options) for order in orders]


class Workload:
    """Keeps a queue busy from its own thread: a backlog immediately, then waves and bursts.

    The queue needs the kinds of `demo_registry`.

    Example:
        >>> workload = Workload(queue, seed=7)
        >>> workload.start()
        >>> workload.stop()
    """

    def __init__(self, queue: Queue, *, seed: int = 7) -> None:
        self._queue = queue
        self._seed = seed
        self._cancels = Random(f"cancels {seed}")
        self._stopped = threading.Event()
        self._held = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the producer with `prefill`. Returns immediately."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._produce, name="jobdeck-demo", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop enqueueing. Takes less than 0.3 s."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=0.25)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Enqueue nothing inside the context, so that something else can be measured."""
        self._held.set()
        try:
            yield
        finally:
            self._held.clear()

    def _produce(self) -> None:
        prefilled = False
        batches = stream(self._seed)
        due = time.monotonic()
        step = 0
        while not self._stopped.is_set():
            try:
                if not prefilled:
                    prefill(self._queue, self._seed)
                    prefilled = True
                orders = next(batches)
                if not self._held.is_set():
                    self._deliver(orders, step)
            except JobdeckError as error:
                if not self._stopped.is_set():
                    logger.warning("The demo could not enqueue: %s", error)
                    self._stopped.wait(1.0)
            except Exception:
                if not self._stopped.is_set():  # otherwise the queue was closed in mid-step, because the demo ended
                    logger.exception("The demo's workload stopped")
                return
            step += 1
            # After the machine was suspended, missed steps are skipped.
            due = max(due + STEP, time.monotonic() - STEP)
            self._stopped.wait(max(0.0, due - time.monotonic()))

    def _deliver(self, orders: list[JobSpec], step: int) -> None:
        depths = {info.name: info for info in self._queue.queues()}
        capacity = MAX_PENDING - sum(info.pending for info in depths.values() if not info.paused)
        full = {name for name, info in depths.items() if info.paused and info.pending >= MAX_PENDING_PAUSED}
        schedule_full = sum(info.counts.get(State.SCHEDULED, 0) for info in depths.values()) >= MAX_LATER
        drafts = [
            draft
            for draft in _drafts(self._queue, orders)
            if draft.queue not in full and not (schedule_full and draft.scheduled_at is not None)
        ][: max(0, capacity)]
        if not drafts or self._stopped.is_set():
            return
        jobs = self._queue.enqueue_many(drafts)
        # Cancel a job from time to time.
        if step % 20 == 19:
            videos = self._queue.list("state:running kind:video.transcode", limit=1) if self._cancels.random() < 0.12 else ()
            self._queue.cancel_many([each.id for each in (*videos, self._cancels.choice(jobs))], actor=ACTOR)
