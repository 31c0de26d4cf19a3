"""A dependency goes down and comes back: its load under a fixed delay, and under back-off with full jitter."""

from __future__ import annotations

from ..audit import LOST_JOBS, Audit, Verdict
from ..ledger import append
from ..picture import Columns, LanePicture, Mood
from ..stage import Figure, Findings, Stage
from ..watch import LaneSpec, LaneWatch

_PEAK = """
SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM ledger WHERE event = 'start' AND attempt > 1
                                 GROUP BY CAST(at * 10 AS INTEGER))"""
_SLICE = 0.1
"""Seconds."""
LANES = (
    LaneSpec("fixed delay", "retry after 1 s", is_jobdeck=True),
    LaneSpec("full jitter", "random, and it doubles", is_jobdeck=True),
)
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
        lane.plan(jobs=jobs, limit=jobs // 4, down=down)
        lane.queue.enqueue_bulk(kind, [{"ledger": str(lane.ledger), "down": str(broken)}] * jobs)
        lane.start_worker(threads=threads)
        stage.wait(lambda lane=lane: lane.count("start") >= jobs, "the first calls")  # type: ignore[misc]
        lane.report(f"{jobs} calls have failed: the dependency is down")
        stage.pause(down)
        broken.unlink()
        append(lane.ledger, "back")
        lane.report("the dependency is back")
        stage.wait(lambda lane=lane: lane.count("end") >= jobs, "the calls to succeed")  # type: ignore[misc]
        stage.wait(lambda lane=lane: lane.queue.count("state:completed") == jobs, "the results")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            figures.append(Figure(name, "calls in all", audit.count(_CALLS)))
    notes = [
        "fixed delay: jobs that failed together come back together, again and again.",
        "full jitter: each delay is random up to a step that doubles, so they come back apart, and less often.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    limit = audit.count("SELECT more ->> '$.limit' FROM ledger WHERE event = 'plan'")
    # How well a delay spreads is no promise of the queue; that no job is lost is one.
    return [
        audit.judge("retries in the worst tenth of a second", _PEAK, at_most=limit, is_own=False),
        audit.judge("lost jobs", LOST_JOBS, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: the load of the dependency, in red while it is down."""
    back = next((line.at for line in lane.lines if line.event == "back"), None)
    calls = [line for line in lane.lines if line.event == "start"]
    least = 70
    since = int(calls[0].at / _SLICE) * _SLICE if calls else 0.0
    columns = max(least, int((calls[-1].at - since) / _SLICE) + 2 if calls else 0)
    counts, retries = [0.0] * columns, [0] * columns
    for line in calls:
        at = int(line.at / _SLICE) - round(since / _SLICE)
        counts[at] += 1
        retries[at] += (line.attempt or 0) > 1
    moods = tuple(Mood.BAD if back is None or since + at * _SLICE < back else Mood.GOOD for at in range(columns))
    worst = max(retries)
    limit = lane.plan.get("limit", 15)
    mood = Mood.CALM if not calls else Mood.BAD if worst > limit else Mood.GOOD
    chart = Columns(tuple(counts), moods, "calls in 0.1 s", ("0 s", f"{columns * _SLICE:.0f} s"), top=30.0)
    state = "" if not calls else "the dependency is down" if back is None else "the dependency is back"
    return LanePicture(
        lane.spec.name, lane.spec.what, str(worst), "retries at once", mood, (chart,),
        f"{len(lane.ended)} of {int(lane.plan.get('jobs', 60))} done · {state}".removesuffix(" · "), lane.is_active,
    )  # fmt: skip
