"""Threads enqueue at the same time: a transaction each with a busy timeout, beside commits that threads share."""

from __future__ import annotations

from ..audit import Audit, Verdict
from ..drawing import rate_columns
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, LabProcess, Stage, StageLane
from ..watch import LaneSpec, LaneWatch

_MISSING = "SELECT count(*) FROM ledger WHERE event = 'ack' AND job NOT IN (SELECT id FROM jobs)"
_FAILED = """
SELECT (SELECT more ->> '$.jobs' FROM ledger WHERE event = 'plan') - count(*) FROM ledger WHERE event = 'ack'"""
LANES = (
    LaneSpec("busy timeout", "a commit each"),
    LaneSpec("jobdeck", "threads share a commit", is_jobdeck=True),
)
_LONGEST = "SELECT max(more ->> '$.waited') FROM ledger WHERE event = 'ack'"
_RATE = "SELECT count(*) / (max(at) - min(at - (more ->> '$.waited'))) FROM ledger WHERE event = 'ack'"


def run(stage: Stage, *, threads: int = 8, jobs: int = 40) -> Findings:
    """Let threads of one process enqueue.

    Args:
        stage: the stage.
        threads: the number of threads.
        jobs: the number of jobs that each enqueues.
    """
    verdicts, figures, rates = [], [], []
    for lane in (stage.lane("busy timeout"), stage.lane("jobdeck", is_jobdeck=True)):
        lane.plan(jobs=threads * jobs, threads=threads)
        producer = lane.start_producer("--threads", str(threads), "--jobs", str(jobs))

        stage.wait(lambda lane=lane, producer=producer: _is_over(lane, producer), "the producer to end")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            rates.append(audit.count(_RATE))
            figures.append(Figure(lane.name, "enqueues a second", round(rates[-1]), "/s"))
            figures.append(Figure(lane.name, "longest wait of one", round(1000 * audit.count(_LONGEST)), " ms"))
        lane.report(f"{threads} threads: {rates[-1]:,.0f} enqueues a second")
    notes = [
        "busy timeout: SQLite lets one write; the others sleep, longer and longer, and each pays for a sync of the disk.",
        "jobdeck: threads that enqueue together share one commit, and so one sync; each returns when its job is durable.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    return [
        audit.judge("acknowledged jobs that are missing", _MISSING),
        audit.judge("enqueues that failed", _FAILED, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: acknowledged enqueues over time, and how far they are."""
    acks = [line for line in lane.lines if line.event == "ack"]
    seconds = acks[-1].at - acks[0].at + acks[0].more["waited"] if acks else 0.0
    rate = len(acks) / seconds if seconds else 0.0
    jobs = int(lane.plan.get("jobs", 320))
    longest = max((line.more["waited"] for line in acks), default=0.0)
    rows = PictureRows((
        PictureRow("▸", "enqueued", Mood.ACCENT, len(acks) / jobs, f"{len(acks)} of {jobs}"),
        PictureRow("·", "longest wait of one", Mood.WARN, min(1.0, longest), f"{1000 * longest:.0f} ms"),
    ))  # fmt: skip
    chart = rate_columns(acks, "ack", step=0.02, least=30, unit="in 20 ms", mood=Mood.GOOD)
    return LanePicture(
        lane.spec.name, lane.spec.what, f"{rate:.0f}", "enqueues a second", Mood.GOOD if acks else Mood.CALM,
        (rows, chart), f"{int(lane.plan.get('threads', 8))} threads enqueue at once", lane.is_active,
    )  # fmt: skip


def _is_over(lane: StageLane, producer: LabProcess) -> bool:
    lane.stage.show(lane.name, acknowledged=lane.count("ack"))
    return not producer.is_alive
