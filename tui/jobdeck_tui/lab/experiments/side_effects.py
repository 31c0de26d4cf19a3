"""A worker is killed after the side effect of a job and before its result is committed."""

from __future__ import annotations

from ..audit import Audit, Verdict
from ..drawing import lease_rows, mood_of
from ..kinds import create_charges
from ..picture import LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch
from ..wishes import Wish
from .poison import is_done

_LEASE = 0.5
_WITHOUT = "without a key"
LANES = (
    LaneSpec(_WITHOUT, "at least once", is_jobdeck=True),
    LaneSpec("with a key", "the job id as a key", is_jobdeck=True),
)
WISHES = (Wish("key", "Switch the idempotency key on, for the charges that have not been tried yet"),)
_CHARGED = """
SELECT (SELECT count(*) FROM provider.charges) - count(DISTINCT job) FROM ledger WHERE event = 'effect'"""
_LOST = "SELECT count(*) FROM jobs WHERE state <> 'completed'"


VIEWER = {"jobs": 6}
"""Sizes for a viewer, who wants to switch the key on in the middle."""


def run(stage: Stage, *, jobs: int = 4) -> Findings:
    """Charge cards, without an idempotency key and with one.

    Args:
        stage: the stage.
        jobs: the number of charges; each kills its worker once.
    """
    verdicts: list[Verdict] = []
    figures = []
    for name, use_key in (("without a key", False), ("with a key", True)):
        lane = stage.lane(name, is_jobdeck=True, lease=_LEASE)
        lane.plan(jobs=jobs)
        provider = lane.folder / "provider.db"
        create_charges(str(provider))
        args = {"ledger": str(lane.ledger), "provider": str(provider), "use_key": use_key}
        lane.queue.enqueue_bulk("lab.charge", [args] * jobs)
        while not is_done(lane):
            _run_until_dead(lane)
        lane.close()
        with lane.audit() as audit:
            verdicts += judge(audit)
            figures.append(Figure(name, "runs", audit.count("SELECT count(*) FROM ledger WHERE event = 'start'")))
            figures.append(Figure(name, "charges", audit.count("SELECT count(*) FROM provider.charges")))
    notes = [
        "No queue can commit its own row and a foreign side effect together: the job runs again, at least once.",
        "context().job_id is the same in each attempt: as an idempotency key it makes the second call harmless.",
    ]
    return Findings(verdicts, figures, notes)


def judge(audit: Audit) -> list[Verdict]:
    """Count what a lane has left behind."""
    audit.attach(audit.ledger.with_name("provider.db"), "provider")
    # Without a key it is what any queue does: at least once. The promise is that it runs again.
    return [
        audit.judge("cards charged twice", _CHARGED, is_own=audit.lane != _WITHOUT),
        audit.judge("lost jobs", _LOST, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw a lane: each charge as often as the provider has it."""
    charges = _charges(lane)
    effects: dict[int | None, int] = {}
    for line in lane.lines:
        if line.event == "effect":
            effects[line.job] = effects.get(line.job, 0) + 1
    twice = max(0, charges - len(effects))
    rows = []
    for job, calls in effects.items():
        done = "done" if job in lane.ended else "its worker died"
        mood = Mood.GOOD if job in lane.ended else Mood.WARN
        rows.append(PictureRow("$", f"card {job}: {calls} call{'s' * (calls > 1)}", mood, None, done))
    return LanePicture(
        lane.spec.name, lane.spec.what, str(twice), "cards charged twice", mood_of(twice, started=bool(effects)),
        (lease_rows(lane, _LEASE, most=2), PictureRows(tuple(rows))),
        f"{len(effects)} cards · {charges} charges · {len(lane.dead)} crashes", lane.is_active,
    )  # fmt: skip


def _charges(lane: LaneWatch) -> int:
    audit = lane.audit()
    if audit is None or lane.lane is None or not (provider := lane.lane.folder / "provider.db").exists():
        return 0
    audit.attach(provider, "provider")
    return int(audit.count("SELECT count(*) FROM provider.charges"))


def _run_until_dead(lane: StageLane) -> None:
    worker = lane.start_worker()

    def is_over() -> bool:
        if lane.stage.take_wish() == "key":
            (lane.folder / "provider.db-key").touch()
            lane.report("the idempotency key is switched on")
        return not worker.is_alive or is_done(lane)

    lane.stage.wait(is_over, "the jobs to end, or the worker to die")
    if not worker.is_alive:
        worker.kill()
        lane.stage.show(lane.name, deaths=lane.count("kill"), effects=lane.count("effect"))
