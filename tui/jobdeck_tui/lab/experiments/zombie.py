"""A worker is stopped past its lease, and then writes its result."""

from __future__ import annotations

from pathlib import Path

import apsw

from ..audit import Audit
from ..naive_worker import add_jobs
from ..stage import POLL, Figure, Findings, LabProcess, Stage, StageLane

_LEASE = 1.0
_OVERWRITTEN = """
SELECT count(*) FROM jobs WHERE result ->> '$.attempt' <>
       (SELECT max(attempt) FROM ledger WHERE ledger.job = jobs.id AND event = 'start')"""
_UNFINISHED = "SELECT count(*) FROM jobs WHERE state <> 'completed'"
_LEASES = "SELECT lease, number, late_at FROM lane.jobdeck_attempts ORDER BY number"


def run(stage: Stage) -> Findings:
    """Stop a worker in mid-job until another one has finished its job; then let it continue."""
    naive = stage.lane("unfenced")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures, notes = [], [], []
    for lane in (naive, jobdeck):
        _play(lane)
        with lane.audit() as audit:
            verdicts.append(audit.judge("results that a stale worker has overwritten", _OVERWRITTEN))
            verdicts.append(audit.judge("unfinished jobs", _UNFINISHED))
            figures.append(
                Figure(lane.name, "runs of the job", audit.count("SELECT count(*) FROM ledger WHERE event = 'start'"))
            )
            if lane.is_jobdeck:
                verdicts.append(
                    audit.judge(
                        "late results recorded",
                        "SELECT count(*) FROM lane.jobdeck_attempts WHERE late_at IS NOT NULL",
                        at_least=1,
                    )
                )
                notes.append(_fenced_text(audit))
    notes = [
        "unfenced: UPDATE jobs SET result = … WHERE id = 1 finds its row, although another worker has the job: 1 row.",
        *notes,
        "The code of the job ran twice in both lanes: at least once is what any queue can promise. Only the result is safe.",
    ]
    return Findings(verdicts, figures, notes)


def _play(lane: StageLane) -> None:
    stage = lane.stage
    until = lane.folder / "go-on"
    if lane.is_jobdeck:
        lane.queue.enqueue("lab.hold", {"ledger": str(lane.ledger), "until": str(until)})
    else:
        add_jobs(lane.database, [{"until": str(until)}])
    options = ("--atomic", "--lease", str(_LEASE))
    zombie = lane.start_worker(*options)
    stage.wait(lambda: lane.count("start") == 1, "the job to start")
    _pause_between_transactions(zombie)
    other = lane.start_worker(*options)
    stage.wait(lambda: lane.count("start") == 2, "another worker to take the job over")
    lane.report(f"its lease has run out: worker {other.pid} runs the job")
    stage.wait(lambda: _results(lane) == 1, "the second result")
    lane.report("the second result is committed")
    Path(until).touch()
    zombie.resume()
    stage.wait(lambda: lane.count("end") == 2, "the first worker to end its run")
    stage.wait(lambda: _results(lane) == 2, "the first worker to write its result")
    lane.report("the first worker has written its result")
    lane.close()


def _pause_between_transactions(worker: LabProcess) -> None:
    """Stop a worker while it does not hold the write lock: one stopped inside a transaction blocks all others."""
    while True:
        worker.pause()
        if not _is_locked(worker.lane.database):
            return
        worker.resume()
        worker.lane.stage.pause(POLL)


def _is_locked(database: Path) -> bool:
    connection = apsw.Connection(str(database))
    try:
        connection.set_busy_timeout(200)
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        return True
    finally:
        connection.close()
    return False


def _results(lane: StageLane) -> float:
    """Return how many workers have delivered a result."""
    with lane.audit() as audit:
        if lane.is_jobdeck:
            return audit.count(
                "SELECT (SELECT count(*) FROM jobs WHERE state = 'completed') + "
                "(SELECT count(*) FROM lane.jobdeck_attempts WHERE late_at IS NOT NULL)"
            )
        # Unfenced: the result of the second attempt comes first, and then the one of the first.
        return audit.count("SELECT 3 - (result ->> '$.attempt') FROM jobs WHERE result IS NOT NULL")


def _fenced_text(audit: Audit) -> str:
    (old, *_), *others = audit.rows(_LEASES)
    new = others[-1][0] if others else old
    return f"jobdeck: UPDATE … WHERE state = 'running' AND lease = {_short(old)}: 0 rows, the lease is now {_short(new)}."


def _short(lease: object) -> str:
    return f"{lease:x}"[:4] + "…" if isinstance(lease, int) else str(lease)
