"""SIGTERM under load: what is left of the jobs that were running."""

from __future__ import annotations

from ..audit import LEFT_RUNNING
from ..naive_worker import add_jobs
from ..stage import Figure, Findings, Stage

_GRACE = 2.0
_LOST_ATTEMPTS = "SELECT count(*) FROM jobs WHERE state = 'pending' AND attempt > 0"
_STARTED_LATE = "SELECT count(*) FROM ledger WHERE event = 'start' AND at > 0.25 + (SELECT at FROM ledger WHERE event = 'term')"


def run(stage: Stage, *, jobs: int = 200, threads: int = 4) -> Findings:
    """Terminate a busy worker.

    Args:
        stage: the stage.
        jobs: the number of short jobs.
        threads: the number of threads of jobdeck's worker; the naive worker has one.
    """
    naive = stage.lane("naive")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, shutdown_grace=_GRACE)
    verdicts, figures = [], []
    for lane in (naive, jobdeck):
        seconds = [stage.random.uniform(0.02, 0.2) for _ in range(jobs)]
        if lane.is_jobdeck:
            # One job does not end in time, and has to be released.
            lane.queue.enqueue("lab.hold", {"ledger": str(lane.ledger), "until": str(lane.folder / "never")}, priority=1)
            lane.queue.enqueue_bulk("lab.work", [{"ledger": str(lane.ledger), "seconds": each} for each in seconds])
        else:
            add_jobs(lane.database, [{"seconds": each} for each in seconds])
        worker = lane.start_worker("--atomic", threads=threads)
        stage.wait(lambda lane=lane: lane.count("end") >= 5, "the worker to be busy")  # type: ignore[misc]
        stage.pause(stage.random.uniform(0, 0.1))
        signaled = stage.elapsed
        code = worker.terminate(_GRACE + 10)
        took = stage.elapsed - signaled
        lane.report(f"the worker has ended with code {code} after {took:.2f} s")
        lane.close()
        with lane.audit() as audit:
            verdicts.append(audit.judge("jobs left running", LEFT_RUNNING))
            verdicts.append(audit.judge("jobs started after the signal", _STARTED_LATE))
            if lane.is_jobdeck:
                verdicts.append(audit.judge("attempts lost", _LOST_ATTEMPTS))
                verdicts.append(audit.judge("seconds until the process had ended", f"SELECT {took:.2f}", at_most=_GRACE + 1))
                verdicts.append(audit.judge("is the exit code", f"SELECT {-1 if code is None else code}"))
            figures.append(Figure(lane.name, "jobs done", audit.count("SELECT count(*) FROM jobs WHERE state = 'completed'")))
    notes = [
        "naive: Python ends at SIGTERM; the row of the job says running, and no process runs it.",
        f"jobdeck: claims no more, waits for its jobs (here up to {_GRACE:g} s), gives the others back with their attempt.",
    ]
    return Findings(verdicts, figures, notes)
