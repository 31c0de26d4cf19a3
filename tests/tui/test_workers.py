"""The screen of workers: what it shows, what each of its keys does."""

from __future__ import annotations

from tests.tui.still import Still

from jobdeck import Job, Stopping, WorkerInfo

HERE = "web-1:4021:9f2c1a"
ENDING = "web-2:4107:03be77"
SILENT = "db-7:977:c0ffee"
OLD = "db-7:31:0000aa"
GONE = "lost:5:beef01"


def report(still: Still, name: str, threads: int, *, up: float = 3600.0, **more: object) -> None:
    host, pid, _ = name.split(":")
    info = WorkerInfo(
        id=name, host=host, pid=int(pid), threads=threads, started_at=still.clock.now() - up, heartbeat_at=0.0,
        running=0, alive=True, **{"queues": (), "draining": False, "kinds": tuple(still.queue.registry.kinds), **more},
    )  # fmt: skip
    still.store.report_worker(info)


def run(still: Still, worker: str, kind: str, **args: object) -> Job:
    """A job that this worker runs."""
    made = still.queue.enqueue(kind, args)
    claimed = still.store.claim_jobs(worker, 1, kinds=[kind], queues=(), lease=60.0)
    assert [job.id for job in claimed] == [made.id]
    return claimed[0]


def crew(still: Still) -> dict[str, Job]:
    """A busy process, one that drains with a stuck thread, one that is silent with two jobs, an old silent one, a lost job."""
    jobs = {}
    report(still, OLD, 2, up=7200)
    still.clock.advance(2000)
    report(still, SILENT, 4, up=1800)
    still.clock.advance(30)
    run(still, GONE, "report.daily", day="2025-06-01")
    jobs["silent"] = run(still, SILENT, "img.resize", path="uploads/31.jpg", width=1280)
    run(still, SILENT, "img.resize", path="uploads/32.jpg", width=1280)
    still.clock.advance(4)
    jobs["stuck"] = run(still, ENDING, "webhook.post", url="https://legacy.example.com/in", event="order.paid")
    still.queue.cancel(jobs["stuck"].id)
    asked = still.clock.now() + 1
    still.clock.advance(20)
    jobs["slow"] = run(still, HERE, "img.resize", path="uploads/77.jpg", width=640)
    still.clock.advance(11)
    held = [(job.id, job.lease) for job in (jobs["stuck"], jobs["slow"]) if job.lease is not None]
    still.store.heartbeat_jobs(held, 60.0)
    report(
        still, ENDING, 4, draining=True, stuck=1, processes=2, queues=("webhook", "mail"),
        stopping=(Stopping(job_id=jobs["stuck"].id, kind="webhook.post", since=asked, why="cancelled"),),
    )  # fmt: skip
    still.clock.advance(3)
    jobs["mail"] = run(still, HERE, "mail.send_receipt", order_id=70411, to="ann@example.org")
    jobs["told"] = run(still, HERE, "report.daily", day="2025-06-14")
    still.store.report_progress(jobs["told"].id, jobs["told"].lease or 0, 0.4)
    still.clock.advance(2)
    report(still, HERE, 6, up=5400)
    still.clock.advance(1.5)
    return jobs
