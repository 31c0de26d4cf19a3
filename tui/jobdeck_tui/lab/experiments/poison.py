"""A job kills each worker that runs it."""

from __future__ import annotations

from ..naive_worker import add_jobs
from ..stage import Figure, Findings, Stage, StageLane

_LEASE = 0.5
_POISON = 1
"""The id of the job that kills: the first one."""
_STARTS = f"SELECT count(*) FROM ledger WHERE event = 'start' AND job = {_POISON}"
_OTHERS = f"SELECT count(*) FROM jobs WHERE state <> 'completed' AND id <> {_POISON}"
_OPEN = f"SELECT count(*) FROM jobs WHERE state IN ('pending', 'running') AND id = {_POISON}"
_MAX_ATTEMPTS = 3


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
            verdicts.append(audit.judge("starts of the job that kills", _STARTS, at_most=_MAX_ATTEMPTS))
            verdicts.append(audit.judge("jobs that kill still in the queue", _OPEN))
            verdicts.append(audit.judge("jobs behind it that did not run", _OTHERS))
        figures.append(Figure(lane.name, "workers that died", died))
    notes = [
        "naive: its lease runs out and the next worker takes it, for ever.",
        f"jobdeck: attempts are counted at the claim, so crashes count; after {_MAX_ATTEMPTS} the job has failed as crashed.",
    ]
    return Findings(verdicts, figures, notes)


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
