"""The screen of queues: what it shows, what each of its keys does."""

from __future__ import annotations

import math

from tests.tui.still import Still

from jobdeck.jobs import Completion


def lively(still: Still) -> None:
    """Five minutes: mail falls, webhook grows, img keeps up, a paused queue, one that nobody serves, one with limits."""
    queue, store, clock = still.queue, still.store, still.clock
    clock.advance(60 - clock.now() % 60 + 5)
    still.beat()

    def put(kind: str, name: str, count: int) -> None:
        args = {"mail.send_receipt": {"order_id": 1, "to": "ann@example.org"}, "img.resize": {"path": "a.jpg"}}
        given = args.get(kind, {"url": "https://hooks.example.com/in/7", "event": "order.paid"})
        queue.enqueue_many([queue.draft(kind, given, queue=name) for _ in range(count)])

    put("mail.send_receipt", "mail", 2400)
    for second in range(0, 300, 5):
        put("webhook.post", "webhook", 10 + round(3 * math.sin(second / 20)))
        put("img.resize", "img", 4)
        for name, count in (("mail", 28 + round(8 * math.sin(second / 30))), ("webhook", 6), ("img", 4)):
            claimed = store.claim_jobs(WORKER, count, kinds=queue.registry.kinds, queues=(name,), lease=60.0)
            now = clock.now()
            store.complete_jobs([Completion(job, now, now + 0.2, None) for job in claimed])
        clock.advance(5)
        store.measures.sample_depths()
    put("img.resize", "thumbnails", 40)
    queue.pause("thumbnails")
    put("webhook.post", "search index", 7)
    queue.limit("mail", running=4, rate=400, period=60)
    queue.enqueue("report.daily", {"day": "2025-06-01"}, delay=600)
    store.claim_jobs(WORKER, 3, kinds=queue.registry.kinds, queues=("mail",), lease=60.0)
    store.claim_jobs(WORKER, 2, kinds=queue.registry.kinds, queues=("webhook",), lease=60.0)
    clock.advance(2)
    serve(still, "mail", "img", "webhook", "thumbnails", "default")


WORKER = "web-1:4021:9f2c1a"


def serve(still: Still, *queues: str) -> None:
    """One worker of eight threads reports, for these queues only."""
    from jobdeck import WorkerInfo

    still.store.forget_worker("web-2:4107:03be77")
    info = WorkerInfo(
        id=WORKER, host="web-1", pid=4021, threads=8, queues=queues, started_at=still.clock.now() - 3600,
        heartbeat_at=0.0, draining=False, running=0, alive=True, kinds=tuple(still.queue.registry.kinds),
    )  # fmt: skip
    still.store.report_worker(info)
