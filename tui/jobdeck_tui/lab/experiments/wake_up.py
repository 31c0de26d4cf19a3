"""How soon a job starts after it was enqueued: polling beside events."""

from __future__ import annotations

from ..audit import LOST_JOBS, Audit, Verdict
from ..ledger import append
from ..naive_worker import add_jobs
from ..picture import Columns, LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch

_POLL = 0.5
_FIT = 100
"""Milliseconds that are hardly noticed."""
_SLOTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""The upper ends of the histogram's columns, in milliseconds."""
LANES = (LaneSpec("polling", f"asks every {_POLL:g} s"), LaneSpec("jobdeck", "is told by a socket", is_jobdeck=True))
_WAITS = """
SELECT round(1000 * (start.at - put.at), 1) FROM ledger AS put JOIN ledger AS start ON start.job = put.job
 WHERE put.event = 'put' AND start.event = 'start' ORDER BY 1"""


def run(stage: Stage, *, jobs: int = 20) -> Findings:
    """Enqueue jobs at random moments for an idle worker.

    Args:
        stage: the stage.
        jobs: the number of jobs.
    """
    verdicts, figures = [], []
    for lane in (stage.lane("polling"), stage.lane("jobdeck", is_jobdeck=True, lease=60.0)):
        lane.start_worker("--atomic", "--poll", str(_POLL))
        lane.wait_ready(1)
        for number in range(1, jobs + 1):
            stage.pause(stage.random.uniform(0.05, 0.25))
            _put(lane, number)
            stage.show(lane.name, enqueued=number, run=lane.count("end"))
        stage.wait(lambda lane=lane: lane.count("end") == jobs, "the jobs to run")  # type: ignore[misc]
        stage.wait(lambda lane=lane: _completed(lane) == jobs, "the results")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            figures += _figures(lane.name, audit, jobs)
    notes = [
        f"polling: a job waits for the next poll, half of {_POLL:g} s on average; faster polls cost CPU while nothing happens.",
        "jobdeck: the enqueue writes to a socket of each worker after its commit; a slow poll is only the backstop.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    # No promise: the machine may be busy with something else.
    median = f"{_WAITS} LIMIT 1 OFFSET (SELECT count(*) / 2 FROM ledger WHERE event = 'start')"
    return [
        audit.judge("ms from enqueue to start, at the median", median, at_most=_FIT, is_own=False),
        audit.judge("lost jobs", LOST_JOBS, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: how long the jobs waited, as a histogram."""
    put = {line.job: line.at for line in lane.lines if line.event == "put"}
    waits = [1000 * (line.at - put[line.job]) for line in lane.lines if line.event == "start" and line.job in put]
    counts = [0.0] * len(_SLOTS)
    for wait in waits:
        counts[next((at for at, most in enumerate(_SLOTS) if wait <= most), len(_SLOTS) - 1)] += 1
    median = sorted(waits)[len(waits) // 2] if waits else 0.0
    mood = Mood.CALM if not waits else Mood.GOOD if median <= _FIT else Mood.BAD
    moods = tuple(Mood.GOOD if most <= _FIT else Mood.BAD for most in _SLOTS)
    chart = Columns(tuple(counts), moods, "jobs", ("1 ms", "1 s"), top=10.0)
    last = f"{waits[-1]:.1f} ms" if waits else ""
    rows = PictureRows((PictureRow("·", "the last job waited", Mood.CALM, None, last),))
    return LanePicture(
        lane.spec.name, lane.spec.what, f"{median:.0f}" if median >= 10 else f"{median:.1f}", "ms median wait", mood,
        (rows, chart), f"{len(waits)} jobs, one after another", lane.is_active,
    )  # fmt: skip


def _put(lane: StageLane, number: int) -> None:
    # The line comes first, so that no start precedes it; a database's ids count from 1.
    append(lane.ledger, "put", number)
    if lane.is_jobdeck:
        lane.queue.enqueue("lab.work", {"ledger": str(lane.ledger)})
    else:
        add_jobs(lane.database, [{}])


def _completed(lane: StageLane) -> float:
    with lane.audit() as audit:
        return audit.count("SELECT count(*) FROM jobs WHERE state = 'completed'")


def _figures(lane: str, audit: Audit, jobs: int) -> list[Figure]:
    worst = audit.count(f"{_WAITS} LIMIT 1 OFFSET {jobs - 1}")
    return [Figure(lane, "from enqueue to start at worst", round(worst, 1), " ms")]
