"""A dependency goes down and comes back: its load under a fixed delay, and under back-off with full jitter."""

from __future__ import annotations

from ..audit import LOST_JOBS
from ..stage import Figure, Findings, Stage

_PEAK = """
SELECT max(n) FROM (SELECT count(*) AS n FROM ledger WHERE event = 'start' AND attempt > 1 GROUP BY CAST(at * 10 AS INTEGER))"""
_CALLS = "SELECT count(*) FROM ledger WHERE event = 'start'"


def run(stage: Stage, *, jobs: int = 60, down: float = 4.0, threads: int = 8) -> Findings:
    """Let the dependency fail for a while.

    Args:
        stage: the stage.
        jobs: the number of jobs that need it.
        down: how long it is down, in seconds.
        threads: the number of threads of the worker.
    """
    verdicts, figures = [], []
    for name, kind in (("fixed delay", "lab.call_fixed"), ("full jitter", "lab.call")):
        lane = stage.lane(name, is_jobdeck=True, lease=60.0)
        broken = lane.folder / "down"
        broken.touch()
        lane.queue.enqueue_bulk(kind, [{"ledger": str(lane.ledger), "down": str(broken)}] * jobs)
        lane.start_worker(threads=threads)
        stage.wait(lambda lane=lane: lane.count("start") >= jobs, "the first calls")  # type: ignore[misc]
        lane.report(f"{jobs} calls have failed: the dependency is down")
        stage.pause(down)
        broken.unlink()
        lane.report("the dependency is back")
        stage.wait(lambda lane=lane: lane.count("end") >= jobs, "the calls to succeed")  # type: ignore[misc]
        stage.wait(lambda lane=lane: lane.queue.count("state:completed") == jobs, "the results")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            # How well a delay spreads is no promise of the queue; that no job is lost is one.
            verdicts.append(audit.judge("retries in the worst tenth of a second", _PEAK, at_most=jobs // 4, is_own=False))
            verdicts.append(audit.judge("lost jobs", LOST_JOBS))
            figures.append(Figure(name, "calls in all", audit.count(_CALLS)))
    notes = [
        "fixed delay: jobs that failed together come back together, again and again.",
        "full jitter: each delay is random up to a step that doubles, so they come back apart, and less often.",
    ]
    return Findings(verdicts, figures, notes)
