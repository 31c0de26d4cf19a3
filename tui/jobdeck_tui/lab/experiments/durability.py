"""A producer is killed at each setting of durability: what an acknowledgement is worth, and what it costs."""

from __future__ import annotations

from ..audit import Audit, Verdict
from ..drawing import rate_columns
from ..picture import LanePicture, Mood
from ..stage import Figure, Findings, Stage
from ..watch import LaneSpec, LaneWatch

_MISSING = "SELECT count(*) FROM ledger WHERE event = 'ack' AND job NOT IN (SELECT id FROM jobs)"

_WHAT = {"FULL": "syncs at each commit", "NORMAL": "syncs at checkpoints", "OFF": "never syncs"}
LANES = tuple(LaneSpec(f"synchronous={name}", what, is_jobdeck=True) for name, what in _WHAT.items())


def run(stage: Stage, *, seconds: float = 1.0) -> Findings:
    """Enqueue one job after another, and kill the producer in the middle of it.

    Args:
        stage: the stage.
        seconds: how long each producer enqueues.
    """
    verdicts: list[Verdict] = []
    figures = []
    for setting in _WHAT:
        lane = stage.lane(f"synchronous={setting}", is_jobdeck=True, synchronous=setting)
        producer = lane.start_producer()
        stage.wait(lambda lane=lane: lane.count("ack") > 0, "the producer to start")  # type: ignore[misc]
        stage.pause(seconds)
        producer.kill()
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            each = "count(*) / (max(at) - min(at))"
            rate = audit.count(f"SELECT {each} FROM ledger WHERE event = 'ack'")
        figures.append(Figure(lane.name, "acknowledged enqueues a second", round(rate), "/s"))
        lane.report(f"{rate:,.0f} acknowledged enqueues a second")
    notes = [
        "A kill -9 takes nothing that the operating system has: no setting loses an acknowledged job here.",
        "Power loss does: FULL syncs the log at each commit, NORMAL at checkpoints only, OFF never. No program can show that.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    return [audit.judge("acknowledged jobs that are missing", _MISSING)]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: acknowledged enqueues over time, until the kill."""
    acks = [line for line in lane.lines if line.event == "ack"]
    seconds = acks[-1].at - acks[0].at if len(acks) > 1 else 0.0
    chart = rate_columns(acks, "ack", step=0.05, least=20, unit="in 50 ms", mood=Mood.GOOD)
    caption = "killed with -9" if lane.counts["kill"] else f"{len(acks):,} acknowledged" if acks else ""
    return LanePicture(
        lane.spec.name, lane.spec.what, f"{len(acks) / seconds:.0f}" if seconds else "0", "acks/s",
        Mood.GOOD if acks else Mood.CALM, (chart,), caption, lane.is_active,
    )  # fmt: skip
