"""An unimportant job behind a stream of important ones, without ageing and with it."""

from __future__ import annotations

from ..audit import LOST_JOBS
from ..ledger import append
from ..stage import Figure, Findings, Stage, StageLane

_IMPORTANT = 5
_AGEING = 0.2
"""Seconds of waiting that raise the priority by one: after a second the unimportant job is as important as new ones."""
_AHEAD = 4
"""The number of important jobs that wait at any time."""
_FIRST = _AHEAD + 1
"""The id of the unimportant job: it comes after those."""
_STARTED = f"(SELECT at FROM ledger WHERE event = 'start' AND job = {_FIRST})"
_OVERTOOK = f"SELECT count(*) FROM ledger WHERE event = 'start' AND at < {_STARTED}"


def run(stage: Stage, *, jobs: int = 80, seconds: float = 0.05) -> Findings:
    """Keep the only thread busy with important jobs.

    Args:
        stage: the stage.
        jobs: the number of important jobs.
        seconds: how long each works.
    """
    verdicts, figures = [], []
    for name, ageing in (("no ageing", 0.0), ("ageing", _AGEING)):
        lane = stage.lane(name, is_jobdeck=True, lease=60.0, ageing=ageing)
        _play(lane, jobs, seconds)
        with lane.audit() as audit:
            # Strict priorities starve by definition: that lane shows it, and breaks no promise.
            claim = "important jobs ran before the first one"
            verdicts.append(audit.judge(claim, _OVERTOOK, at_most=jobs // 2, is_own=bool(ageing)))
            verdicts.append(audit.judge("lost jobs", LOST_JOBS))
            waited = f"SELECT {_STARTED} - at FROM ledger WHERE event = 'enqueue'"
            figures.append(Figure(name, "the first job waited", round(audit.count(waited), 1), " s"))
    notes = [
        "no ageing: while more important jobs keep coming, an unimportant one never runs.",
        f"ageing: each {_AGEING:g} s of waiting count as one step of priority (JOBDECK_AGEING), so every job gets its turn.",
    ]
    return Findings(verdicts, figures, notes)


def _play(lane: StageLane, jobs: int, seconds: float) -> None:
    stage, args = lane.stage, {"ledger": str(lane.ledger), "seconds": seconds}
    lane.start_worker()
    lane.wait_ready(1)
    lane.queue.enqueue_bulk("lab.work", [args] * _AHEAD, priority=_IMPORTANT)
    append(lane.ledger, "enqueue", lane.queue.enqueue("lab.work", args, priority=0).id)
    lane.report("an unimportant job is in the queue")
    for n in range(jobs):
        stage.wait(lambda n=n: lane.count("start") + _AHEAD > n, "the worker to start jobs")  # type: ignore[misc]
        lane.queue.enqueue("lab.work", args, priority=_IMPORTANT)
        stage.show(lane.name, enqueued=n + 1, run=lane.count("end"))
    lane.report("no more important jobs come")
    stage.wait(lambda: lane.queue.count("state:completed") == lane.queue.count(), "the jobs to end")
    lane.close()
