"""An unimportant job behind a stream of important ones, without ageing and with it."""

from __future__ import annotations

from ..audit import LOST_JOBS, Audit, Verdict
from ..drawing import row_cells
from ..ledger import append
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch
from ..wishes import Wish

_IMPORTANT = 5
_AGEING = 0.2
"""Seconds of waiting that raise the priority by one: after a second the unimportant job is as important as new ones."""
_AHEAD = 4
"""The number of important jobs that wait at any time."""
_FIRST = _AHEAD + 1
"""The id of the unimportant job: it comes after those."""
LANES = (
    LaneSpec("no ageing", "strict priorities", is_jobdeck=True),
    LaneSpec("ageing", f"+1 for each {_AGEING:g} s of waiting", is_jobdeck=True),
)
WISHES = (Wish("ageing", "Switch ageing on in the lane without it: its worker is replaced by one that has it"),)
_STARTED = f"(SELECT at FROM ledger WHERE event = 'start' AND job = {_FIRST})"
_OVERTOOK = f"SELECT count(*) FROM ledger WHERE event = 'start' AND job <> {_FIRST} AND at < coalesce({_STARTED}, 1e18)"


def run(stage: Stage, *, jobs: int = 80, seconds: float = 0.05) -> Findings:
    """Keep the only thread busy with important jobs.

    Args:
        stage: the stage.
        jobs: the number of important jobs.
        seconds: how long each works.
    """
    verdicts, figures = [], []
    for name, ageing in (("no ageing", 0.0), ("ageing", _AGEING)):
        lane = stage.lane(name, is_jobdeck=True, lease=60.0, ageing=ageing)
        lane.plan(jobs=jobs)
        _play(lane, jobs, seconds)
        with lane.audit() as audit:
            verdicts += judge(audit)
            waited = f"SELECT {_STARTED} - at FROM ledger WHERE event = 'enqueue'"
            figures.append(Figure(name, "the first job waited", round(audit.count(waited), 1), " s"))
    notes = [
        "no ageing: while more important jobs keep coming, an unimportant one never runs.",
        f"ageing: each {_AGEING:g} s of waiting count as one step of priority (JOBDECK_AGEING), so every job gets its turn.",
    ]
    return Findings(verdicts, figures, notes)


def _play(lane: StageLane, jobs: int, seconds: float) -> None:
    stage, args = lane.stage, {"ledger": str(lane.ledger), "seconds": seconds}
    worker = lane.start_worker()
    lane.wait_ready(1)
    lane.queue.enqueue_bulk("lab.work", [args] * _AHEAD, priority=_IMPORTANT)
    append(lane.ledger, "enqueue", lane.queue.enqueue("lab.work", args, priority=0).id)
    lane.report("an unimportant job is in the queue")
    for n in range(jobs):
        stage.wait(lambda n=n: lane.count("start") + _AHEAD > n, "the worker to start jobs")  # type: ignore[misc]
        if stage.take_wish() == "ageing" and not lane.settings.get("ageing"):
            worker.terminate(5.0)
            lane.settings = {**lane.settings, "ageing": _AGEING}
            append(lane.ledger, "ageing")
            lane.report(f"ageing is switched on: a worker with JOBDECK_AGEING={_AGEING:g}")
            worker = lane.start_worker()
        lane.queue.enqueue("lab.work", args, priority=_IMPORTANT)
        stage.show(lane.name, enqueued=n + 1, run=lane.count("end"))
    lane.report("no more important jobs come")
    stage.wait(lambda: lane.queue.count("state:completed") == lane.queue.count(), "the jobs to end")
    lane.close()


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    limit = audit.count("SELECT (more ->> '$.jobs') / 2 FROM ledger WHERE event = 'plan'")
    # Strict priorities starve by definition: that lane shows it, and breaks no promise.
    claim = "important jobs ran before the first one"
    return [
        audit.judge(claim, _OVERTOOK, at_most=limit, is_own=audit.lane == "ageing"),
        audit.judge("lost jobs", LOST_JOBS, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: how many important jobs overtook the first one, and how its priority grows."""
    enqueued = next((line.at for line in lane.lines if line.event == "enqueue"), None)
    started = next((line.at for line in lane.lines if line.event == "start" and line.job == _FIRST), None)
    overtook = sum(
        line.event == "start" and line.job != _FIRST and (started is None or line.at < started) for line in lane.lines
    )
    limit = lane.plan.get("jobs", 80) / 2
    on = next((line.at for line in lane.lines if line.event == "ageing"), None)
    ages = lane.spec.name == "ageing" or on is not None
    rows = [PictureRow("▲", "important jobs", Mood.ACCENT, 1.0, f"priority {_IMPORTANT}")]
    if enqueued is not None:
        waited = (started or lane.now) - enqueued
        grown = min(_IMPORTANT, waited / _AGEING) if ages else 0.0
        state = "ran" if started is not None else "waits"
        mood = Mood.GOOD if started is not None else Mood.WARN
        note = f"priority {grown:.1f}"
        rows.append(PictureRow("▼", "the first job", mood, grown / _IMPORTANT, note))
        rows.append(PictureRow("·", f"{state} after {waited:.1f} s" if started else f"{state} for {waited:.1f} s", mood))
    mood = Mood.CALM if enqueued is None else Mood.BAD if overtook > limit else Mood.GOOD if started else Mood.PLAIN
    return LanePicture(
        lane.spec.name, lane.spec.what, str(overtook), "jobs overtook it", mood,
        (PictureRows(tuple(rows)), row_cells(lane)), lane.caption, lane.is_active,
    )  # fmt: skip
