"""A producer is killed at each setting of durability: what an acknowledgement is worth, and what it costs."""

from __future__ import annotations

from ..stage import Figure, Findings, Stage

_MISSING = "SELECT count(*) FROM ledger WHERE event = 'ack' AND job NOT IN (SELECT id FROM jobs)"


def run(stage: Stage, *, seconds: float = 1.0) -> Findings:
    """Enqueue one job after another, and kill the producer in the middle of it.

    Args:
        stage: the stage.
        seconds: how long each producer enqueues.
    """
    verdicts, figures = [], []
    for setting in ("FULL", "NORMAL", "OFF"):
        lane = stage.lane(f"synchronous={setting}", is_jobdeck=True, synchronous=setting)
        producer = lane.start_producer()
        stage.wait(lambda lane=lane: lane.count("ack") > 0, "the producer to start")  # type: ignore[misc]
        stage.pause(seconds)
        producer.kill()
        lane.close()
        with lane.audit() as audit:
            verdicts.append(audit.judge("acknowledged jobs that are missing", _MISSING))
            each = "count(*) / (max(at) - min(at))"
            rate = audit.count(f"SELECT {each} FROM ledger WHERE event = 'ack'")
        figures.append(Figure(lane.name, "acknowledged enqueues a second", round(rate), "/s"))
        lane.report(f"{rate:,.0f} acknowledged enqueues a second")
    notes = [
        "A kill -9 takes nothing that the operating system has: no setting loses an acknowledged job here.",
        "Power loss does: FULL syncs the log at each commit, NORMAL at checkpoints only, OFF never. No program can show that.",
    ]
    return Findings(verdicts, figures, notes)
