"""SIGTERM under load: what is left of the jobs that were running."""

from __future__ import annotations

from ..audit import LEFT_RUNNING, Audit, Verdict
from ..drawing import mood_of, row_cells
from ..naive_worker import add_jobs
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage
from ..watch import LaneSpec, LaneWatch

_GRACE = 2.0
_LOST_ATTEMPTS = "SELECT count(*) FROM jobs WHERE state = 'pending' AND attempt > 0"
_TOOK = (
    "SELECT coalesce(round((SELECT min(at) FROM ledger WHERE event = 'exit') - min(at), 2), 0) FROM ledger WHERE event = 'term'"
)
_CODE = "SELECT coalesce((SELECT more ->> '$.code' FROM ledger WHERE event = 'exit'), -1)"
LANES = (LaneSpec("naive", "dies at SIGTERM"), LaneSpec("jobdeck", "finishes or releases", is_jobdeck=True))
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
            verdicts += judge(audit)
            figures.append(Figure(lane.name, "jobs done", audit.count("SELECT count(*) FROM jobs WHERE state = 'completed'")))
    notes = [
        "naive: Python ends at SIGTERM; the row of the job says running, and no process runs it.",
        f"jobdeck: claims no more, waits for its jobs (here up to {_GRACE:g} s), gives the others back with their attempt.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    found = [
        audit.judge("jobs left running", LEFT_RUNNING, at_end=True),
        audit.judge("jobs started after the signal", _STARTED_LATE),
    ]
    if audit.is_jobdeck:
        found.append(audit.judge("attempts lost", _LOST_ATTEMPTS, at_end=True))
        found.append(audit.judge("seconds until the process had ended", _TOOK, at_most=_GRACE + 1, at_end=True))
        found.append(audit.judge("is the exit code", _CODE, at_end=True))
    return found


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: the jobs, and after the signal what is still running."""
    signal = next((line for line in lane.lines if line.event == "term"), None)
    over = next((line for line in lane.lines if line.event == "exit"), None)
    running = sum(row.state == "running" for row in lane.rows)
    until = lane.now if over is None else over.at
    rows = []
    if signal is not None:
        since = until - signal.at
        rows.append(PictureRow("!", f"SIGTERM: {_GRACE:g} s grace", Mood.WARN, min(1.0, since / _GRACE), f"{since:.1f} s"))
    if over is not None:
        code = over.more.get("code")
        rows.append(PictureRow("=", "the process has ended", Mood.CALM, None, f"exit {code}"))
        text = "says running, and nothing runs it" if running else "none of its jobs says running"
        rows.append(PictureRow("✗", f"{running} {text}", Mood.BAD) if running else PictureRow("✓", text, Mood.GOOD))
    number, label = (running, "jobs running") if over is None else (running, "jobs left running")
    mood = Mood.PLAIN if over is None and lane.starts else mood_of(running, started=over is not None)
    caption = f"{len(lane.ended)} jobs done"
    return LanePicture(
        lane.spec.name,
        lane.spec.what,
        str(number),
        label,
        mood,
        (row_cells(lane), PictureRows(tuple(rows))),
        caption,
        lane.is_active,
    )
