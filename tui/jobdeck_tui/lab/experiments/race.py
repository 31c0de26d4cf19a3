"""Eight worker processes race for a thousand jobs."""

from __future__ import annotations

from ..audit import DOUBLE_RUNS, LOST_JOBS, Audit, Verdict
from ..drawing import job_cells, mood_of
from ..naive_worker import add_jobs
from ..picture import LanePicture
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch

_LEASE = 60.0
"""No lease may end here: if the disk stalls for longer, jobs rightly run again."""
LANES = (LaneSpec("naive", "SELECT, then UPDATE"), LaneSpec("jobdeck", "one UPDATE … RETURNING", is_jobdeck=True))


def run(stage: Stage, *, jobs: int = 1000, processes: int = 8) -> Findings:
    """Run the race, first naive, then jobdeck.

    Args:
        stage: the stage.
        jobs: the number of jobs.
        processes: the number of worker processes in each lane.
    """
    naive = stage.lane("naive")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures = [], []
    for lane in (naive, jobdeck):
        lane.plan(jobs=jobs, processes=processes)
        for _ in range(processes):
            lane.start_worker()
        lane.wait_ready(processes)
        if lane.is_jobdeck:
            lane.queue.enqueue_bulk("lab.work", [{"ledger": str(lane.ledger)}] * jobs)
        else:
            add_jobs(lane.database, [{}] * jobs)
        lane.report(f"{jobs} jobs are in the queue")
        stage.wait(lambda lane=lane: _is_done(lane, jobs), f"{jobs} jobs to run")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            runs = audit.count("SELECT count(*) FROM ledger WHERE event = 'start'")
            used = audit.count("SELECT count(DISTINCT pid) FROM ledger WHERE event = 'start'")
        lane.report(f"done: {runs:g} runs of {jobs} jobs")
        figures += [
            Figure(lane.name, "runs", runs),
            Figure(lane.name, "worker processes that ran jobs", used),
        ]
    notes = [
        "naive: a worker SELECTs the next job, then UPDATEs it; meanwhile the others have selected the same one.",
        "jobdeck: the claim is one UPDATE inside BEGIN IMMEDIATE, so no job is claimed twice.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    return [audit.judge("jobs that ran twice", DOUBLE_RUNS), audit.judge("lost jobs", LOST_JOBS, at_end=True)]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: a cell for each job, those that ran twice in red."""
    twice = sum(n > 1 for n in lane.starts.values())
    jobs, processes = int(lane.plan.get("jobs", 1000)), int(lane.plan.get("processes", 8))
    return LanePicture(
        lane.spec.name,
        lane.spec.what,
        str(twice),
        "jobs ran twice",
        mood_of(twice, started=bool(lane.starts)),
        (job_cells(lane),),
        f"{processes} processes · {len(lane.ended):,} of {jobs:,} done",
        lane.is_active,
    )


def _is_done(lane: StageLane, jobs: int) -> bool:
    seen: dict[int | None, int] = {}
    ended = set()
    for line in lane.read_ledger():
        if line.event == "start":
            seen[line.job] = seen.get(line.job, 0) + 1
        elif line.event == "end":
            ended.add(line.job)
    lane.stage.show(lane.name, run=len(ended), twice=sum(n > 1 for n in seen.values()))
    if len(ended) < jobs:
        return False
    if lane.is_jobdeck:
        return lane.queue.count("state:completed") == jobs
    with lane.audit() as audit:
        return not audit.count("SELECT count(*) FROM jobs WHERE state <> 'completed'")
