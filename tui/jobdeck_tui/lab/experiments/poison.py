"""A job kills each worker that runs it."""

from __future__ import annotations

from ..audit import Audit, Verdict
from ..drawing import lease_rows, row_cells
from ..naive_worker import add_jobs
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch

_LEASE = 0.5
_POISON = 1
"""The id of the job that kills: the first one."""
_STARTS = f"SELECT count(*) FROM ledger WHERE event = 'start' AND job = {_POISON}"
_OTHERS = f"SELECT count(*) FROM jobs WHERE state <> 'completed' AND id <> {_POISON}"
_OPEN = f"SELECT count(*) FROM jobs WHERE state IN ('pending', 'running') AND id = {_POISON}"
_MAX_ATTEMPTS = 3
LANES = (LaneSpec("naive", "a lease, and no limit"), LaneSpec("jobdeck", "attempts are counted", is_jobdeck=True))


def run(stage: Stage, *, jobs: int = 10, deaths: int = 6) -> Findings:
    """Let a job kill its workers.

    Args:
        stage: the stage.
        jobs: the number of harmless jobs behind it.
        deaths: the number of workers that the experiment sacrifices at most in each lane.
    """
    naive = stage.lane("naive")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures = [], []
    for lane in (naive, jobdeck):
        ledger = str(lane.ledger)
        if lane.is_jobdeck:
            lane.queue.enqueue("lab.poison", {"ledger": ledger}, max_attempts=_MAX_ATTEMPTS)
            lane.queue.enqueue_bulk("lab.work", [{"ledger": ledger}] * jobs)
        else:
            add_jobs(lane.database, [{"poison": 1}, *[{}] * jobs])
        died = 0
        while died < deaths and _replace_dead(lane):
            died += 1
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
        figures.append(Figure(lane.name, "workers that died", died))
    notes = [
        "naive: its lease runs out and the next worker takes it, for ever.",
        f"jobdeck: attempts are counted at the claim, so crashes count; after {_MAX_ATTEMPTS} the job has failed as crashed.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    return [
        audit.judge("starts of the job that kills", _STARTS, at_most=_MAX_ATTEMPTS),
        audit.judge("jobs that kill still in the queue", _OPEN, at_end=True),
        audit.judge("jobs behind it that did not run", _OTHERS, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: the workers that died, the job that kills them first, the others behind it."""
    died, starts = len(lane.dead), lane.starts[_POISON]
    mood = Mood.BAD if starts > _MAX_ATTEMPTS else Mood.CALM if not starts else Mood.GOOD
    row = next((each for each in lane.rows if each.id == _POISON), None)
    failed = row is not None and row.state == "failed"
    attempts = f"attempt {starts} of {_MAX_ATTEMPTS}" if lane.spec.is_jobdeck else f"attempt {starts}, no limit"
    rows = [PictureRow("✗" if failed else "!", "poison job", Mood.BAD, None, "failed: crashed" if failed else attempts)]
    rows += [PictureRow("✗", f"worker {pid}", Mood.WARN, None, "died") for pid in sorted(lane.dead, key=str)[-6:]]
    return LanePicture(
        lane.spec.name, lane.spec.what, str(died), "workers died", mood,
        (row_cells(lane), lease_rows(lane, _LEASE, most=2), PictureRows(tuple(rows))),
        f"{len(lane.ended)} of the other jobs ran", lane.is_active,
    )  # fmt: skip


def _replace_dead(lane: StageLane) -> bool:
    """Run a worker until it dies, and write that to the ledger; return `False` if all jobs are done instead."""
    worker = lane.start_worker("--atomic", "--lease", str(_LEASE))
    lane.stage.wait(lambda: not worker.is_alive or is_done(lane), "a worker to die, or the jobs to end")
    if worker.is_alive:
        return False
    worker.kill()  # it is dead; the ledger says so
    lane.stage.show(lane.name, deaths=lane.count("kill"), run=lane.count("end"))
    return True


def is_done(lane: StageLane) -> bool:
    """Return whether every job has ended."""
    with lane.audit() as audit:
        return not audit.count("SELECT count(*) FROM jobs WHERE state NOT IN ('completed', 'failed')")
