"""A worker is killed after the side effect of a job and before its result is committed."""

from __future__ import annotations

from ..audit import Verdict
from ..stage import Figure, Findings, Stage, StageLane
from .poison import is_done

_LEASE = 0.5
_LOST = "SELECT count(*) FROM jobs WHERE state <> 'completed'"


def run(stage: Stage, *, jobs: int = 2) -> Findings:
    """Charge cards, without an idempotency key and with one.

    Args:
        stage: the stage.
        jobs: the number of charges; each kills its worker once.
    """
    verdicts: list[Verdict] = []
    figures = []
    for name, use_key in (("without a key", False), ("with a key", True)):
        lane = stage.lane(name, is_jobdeck=True, lease=_LEASE)
        provider = lane.folder / "provider.db"
        args = {"ledger": str(lane.ledger), "provider": str(provider), "use_key": use_key}
        lane.queue.enqueue_bulk("lab.charge", [args] * jobs)
        while not is_done(lane):
            _run_until_dead(lane)
        lane.close()
        with lane.audit() as audit:
            audit.attach(provider, "provider")
            # Without a key it is what any queue does: at least once. The promise is that it runs again.
            charged = f"SELECT count(*) - {jobs} FROM provider.charges"
            verdicts.append(audit.judge("cards charged twice", charged, is_own=use_key))
            verdicts.append(audit.judge("lost jobs", _LOST))
            figures.append(Figure(name, "runs", audit.count("SELECT count(*) FROM ledger WHERE event = 'start'")))
            figures.append(Figure(name, "charges", audit.count("SELECT count(*) FROM provider.charges")))
    notes = [
        "No queue can commit its own row and a foreign side effect together: the job runs again, at least once.",
        "context().job_id is the same in each attempt: as an idempotency key it makes the second call harmless.",
    ]
    return Findings(verdicts, figures, notes)


def _run_until_dead(lane: StageLane) -> None:
    worker = lane.start_worker()
    lane.stage.wait(lambda: not worker.is_alive or is_done(lane), "the jobs to end, or the worker to die")
    if not worker.is_alive:
        worker.kill()
        lane.stage.show(lane.name, deaths=lane.count("kill"), effects=lane.count("effect"))
