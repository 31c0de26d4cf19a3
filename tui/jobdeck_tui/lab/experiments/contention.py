"""Threads enqueue at the same time: a transaction each with a busy timeout, beside commits that threads share."""

from __future__ import annotations

from ..stage import Figure, Findings, LabProcess, Stage, StageLane

_MISSING = "SELECT count(*) FROM ledger WHERE event = 'ack' AND job NOT IN (SELECT id FROM jobs)"
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
        producer = lane.start_producer("--threads", str(threads), "--jobs", str(jobs))

        stage.wait(lambda lane=lane, producer=producer: _is_over(lane, producer), "the producer to end")  # type: ignore[misc]
        lane.close()
        with lane.audit() as audit:
            verdicts.append(audit.judge("acknowledged jobs that are missing", _MISSING))
            missing = f"SELECT {threads * jobs} - count(*) FROM ledger WHERE event = 'ack'"
            verdicts.append(audit.judge("enqueues that failed", missing))
            rates.append(audit.count(_RATE))
            figures.append(Figure(lane.name, "enqueues a second", round(rates[-1]), "/s"))
            figures.append(Figure(lane.name, "longest wait of one", round(1000 * audit.count(_LONGEST)), " ms"))
        lane.report(f"{threads} threads: {rates[-1]:,.0f} enqueues a second")
    notes = [
        "busy timeout: SQLite lets one write; the others sleep, longer and longer, and each pays for a sync of the disk.",
        "jobdeck: threads that enqueue together share one commit, and so one sync; each returns when its job is durable.",
    ]
    return Findings(verdicts, figures, notes)


def _is_over(lane: StageLane, producer: LabProcess) -> bool:
    lane.stage.show(lane.name, acknowledged=lane.count("ack"))
    return not producer.is_alive
