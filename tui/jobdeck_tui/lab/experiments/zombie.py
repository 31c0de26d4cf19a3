"""A worker is stopped past its lease, and then writes its result."""

from __future__ import annotations

from pathlib import Path

import apsw

from ..audit import Audit, Verdict
from ..drawing import lease_rows, mood_of, worker_row
from ..naive_worker import add_jobs
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import POLL, Figure, Findings, LabProcess, Stage, StageLane
from ..watch import LaneSpec, LaneWatch

_LEASE = 1.0
_OVERWRITTEN = """
SELECT count(*) FROM jobs WHERE result ->> '$.attempt' <>
       (SELECT max(attempt) FROM ledger WHERE ledger.job = jobs.id AND event = 'start')"""
_UNFINISHED = "SELECT count(*) FROM jobs WHERE state <> 'completed'"
LANES = (
    LaneSpec("unfenced", "WHERE id = 1"),
    LaneSpec("jobdeck", "WHERE … AND lease = ?", is_jobdeck=True),
)
_LEASES = "SELECT lease, number, late_at FROM lane.jobdeck_attempts ORDER BY number"


def run(stage: Stage) -> Findings:
    """Stop a worker in mid-job until another one has finished its job; then let it continue."""
    naive = stage.lane("unfenced")
    jobdeck = stage.lane("jobdeck", is_jobdeck=True, lease=_LEASE)
    verdicts, figures, notes = [], [], []
    for lane in (naive, jobdeck):
        _play(lane)
        with lane.audit() as audit:
            verdicts += judge(audit)
            figures.append(
                Figure(lane.name, "runs of the job", audit.count("SELECT count(*) FROM ledger WHERE event = 'start'"))
            )
            if lane.is_jobdeck:
                notes.append(_fenced_text(audit))
    notes = [
        "unfenced: UPDATE jobs SET result = … WHERE id = 1 finds its row, although another worker has the job: 1 row.",
        *notes,
        "The code of the job ran twice in both lanes: at least once is what any queue can promise. Only the result is safe.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    found = [
        audit.judge("results that a stale worker has overwritten", _OVERWRITTEN),
        audit.judge("unfinished jobs", _UNFINISHED, at_end=True),
    ]
    if audit.is_jobdeck:
        late = "SELECT count(*) FROM lane.jobdeck_attempts WHERE late_at IS NOT NULL"
        found.append(audit.judge("late results recorded", late, at_least=1, at_end=True))
    return found


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: the first worker and the second, the lease, and whose result the row has."""
    result, late = _result(lane)
    overwritten = int(result == 1 and bool(lane.counts["continue"]))
    number_mood = mood_of(overwritten, started=bool(lane.starts))
    names = ("zombie", "second worker")
    rows = [worker_row(lane, pid, name=name) for name, pid in zip(names, lane.pids, strict=False)]
    text = "no result yet" if result is None else f"result of attempt {result}"
    mood = Mood.BAD if overwritten else Mood.CALM if result is None else Mood.GOOD
    rows.append(PictureRow("=", text, mood, None, "overwritten" if overwritten else "" if result is None else "committed"))
    if late:
        rows.append(PictureRow("✓", "late write: 0 rows", Mood.GOOD, None, "recorded"))
    return LanePicture(
        lane.spec.name, lane.spec.what, str(overwritten), "results overwritten", number_mood,
        (lease_rows(lane, _LEASE), PictureRows(tuple(rows))), lane.caption, lane.is_active,
    )  # fmt: skip


def _result(lane: LaneWatch) -> tuple[int | None, bool]:
    """Return the attempt whose result the row has, and whether a late one was recorded."""
    audit = lane.audit()
    if audit is None:
        return None, False
    found = audit.rows("SELECT result ->> '$.attempt' FROM jobs WHERE result IS NOT NULL")
    attempt = int(str(found[0][0])) if found else None
    late = audit.is_jobdeck and audit.count("SELECT count(*) FROM lane.jobdeck_attempts WHERE late_at IS NOT NULL")
    return attempt, bool(late)


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
    lane.report(f"lease over: worker {other.pid} runs it")
    stage.wait(lambda: _results(lane) == 1, "the second result")
    lane.report("the second result is committed")
    Path(until).touch()
    zombie.resume()
    stage.wait(lambda: lane.count("end") == 2, "the first worker to end its run")
    stage.wait(lambda: _results(lane) == 2, "the first worker to write its result")
    lane.report("the zombie has written its result")
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
