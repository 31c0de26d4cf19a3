"""Parts of pictures that several experiments share: the jobs as cells, the workers, the leases that run out."""

from __future__ import annotations

from collections.abc import Sequence

from .ledger import LedgerLine
from .picture import DONE, LOST, ORPHANED, RUNNING, TWICE, WAITING, Cells, Columns, Mood, PictureRow, PictureRows
from .watch import LaneWatch


def job_cells(lane: LaneWatch) -> Cells:
    """Return the jobs of the plan: those that ran twice stand out."""
    jobs = int(lane.plan.get("jobs", 0))
    return Cells("".join(_state(lane, job) for job in range(1, jobs + 1)))


def _state(lane: LaneWatch, job: int) -> str:
    if lane.starts[job] > 1:
        return TWICE
    if job in lane.ended:
        return DONE
    return RUNNING if lane.starts[job] else WAITING


def row_cells(lane: LaneWatch) -> Cells:
    """Return the jobs as their committed rows are; a running one whose worker is dead stands out."""
    if not lane.rows:
        return Cells(WAITING * int(lane.plan.get("jobs", 0)))
    return Cells("".join(_row_state(lane, row.state, row.pid, row.lease_left) for row in lane.rows))


def _row_state(lane: LaneWatch, state: str, pid: int | None, lease_left: float | None) -> str:
    if state == "running":
        if pid in lane.dead:
            return LOST if lease_left is None else ORPHANED
        return RUNNING
    return {"completed": DONE, "failed": LOST}.get(state, WAITING)


def lost_jobs(lane: LaneWatch) -> int:
    """Return the number of jobs that say running, and that no process will ever run again."""
    return row_cells(lane).states.count(LOST)


def lease_rows(lane: LaneWatch, lease: float, *, most: int = 6) -> PictureRows:
    """Return the running jobs: the worker of each, and the lease that runs out if it is dead."""
    found = []
    for row in lane.rows:
        if row.state != "running":
            continue
        is_dead = row.pid in lane.dead
        is_stopped = row.pid in lane.stopped
        mark = "✗" if is_dead else "‖" if is_stopped else "▸"
        who = f"job {row.id} · worker {row.pid}"
        if row.lease_left is None:
            mood, note = (Mood.BAD, "dead") if is_dead else (Mood.GOOD, "runs")
            found.append(PictureRow(mark, who, mood, None, note))
        else:
            mood = Mood.WARN if is_dead or is_stopped else Mood.GOOD
            found.append(PictureRow(mark, who, mood, min(1.0, row.lease_left / lease), f"{row.lease_left:.1f} s"))
    return PictureRows(tuple(found[-most:]))


def worker_row(lane: LaneWatch, pid: int, *, name: str = "worker") -> PictureRow:
    """Return a worker process and what it does."""
    if pid in lane.dead:
        return PictureRow("✗", f"{name} {pid}", Mood.BAD, None, "dead")
    if pid in lane.stopped:
        return PictureRow("‖", f"{name} {pid}", Mood.WARN, None, "stopped")
    if (run := lane.busy.get(pid)) is not None:
        return PictureRow("▸", f"{name} {pid}", Mood.GOOD, None, f"job {run.job}")
    return PictureRow("·", f"{name} {pid}", Mood.CALM, None, "idle")


def rate_columns(lines: Sequence[LedgerLine], event: str, *, step: float, least: int, unit: str, mood: Mood) -> Columns:
    """Return how often an event happened in each time slice.

    Args:
        lines: the ledger.
        event: the event.
        step: the length of a slice in seconds.
        least: the minimum number of slices.
        unit: the words for a value.
        mood: the color.
    """
    times = [line.at for line in lines if line.event == event]
    counts = [0.0] * max(least, int((times[-1] - times[0]) / step) + 1 if times else 0)
    for at in times:
        counts[int((at - times[0]) / step)] += 1
    return Columns(tuple(counts), (mood,) * len(counts), unit, ("0 s", f"{len(counts) * step:.1f} s"))


def mood_of(count: float, *, started: bool) -> Mood:
    """Return the color of a number that must be 0."""
    return Mood.BAD if count else Mood.GOOD if started else Mood.CALM
