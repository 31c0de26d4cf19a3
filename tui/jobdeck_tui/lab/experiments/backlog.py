"""A queue that is full: threads are added live, and jobdeck's forecast is held beside what came."""

from __future__ import annotations

import os

from jobdeck import forecast

from ..audit import LOST_JOBS, Audit, Verdict
from ..ledger import append
from ..picture import Columns, LanePicture, Mood, PictureRow, PictureRows
from ..stage import Figure, Findings, Stage, StageLane
from ..watch import LaneSpec, LaneWatch
from ..wishes import Wish

_SAMPLE = 0.25
"""Seconds between two samples of the depth."""
_SETTLED = 15.0
"""Seconds: a rate is observed for so long before a forecast is judged."""
_MOST = 16
"""The maximum number of threads."""
_LIMIT = 25
"""Percent that a forecast may be off."""
LANES = (LaneSpec("jobdeck", "a forecast from the rate of the last minutes", is_jobdeck=True),)
WISHES = (Wish("more", "Add a thread to the worker"), Wish("less", "Take a thread from the worker"))
_EMPTY = "(SELECT min(at) FROM ledger WHERE event = 'empty')"
_OFF = f"""
SELECT coalesce(round(max(100 * abs({_EMPTY} - at - (more ->> '$.seconds')) / ({_EMPTY} - at))), 0) FROM ledger AS forecast
 WHERE event = 'forecast' AND at < {_EMPTY} AND NOT EXISTS
       (SELECT * FROM ledger AS change WHERE change.event = 'threads' AND change.at > forecast.at - {_SETTLED:g})
   AND NOT EXISTS (SELECT * FROM ledger AS later WHERE later.event = 'threads' AND later.at > forecast.at)"""


def run(
    stage: Stage, *, jobs: int = 540, seconds: float = 0.2, threads: int = 1, more: int = 3, after: float = 3.0
) -> Findings:
    """Fill a queue, add threads, and compare the forecasts with what came.

    Args:
        stage: the stage.
        jobs: the number of jobs.
        seconds: how long each works.
        threads: the number of threads in the beginning.
        more: the number of threads that are added.
        after: when they are added, in seconds.
    """
    lane = stage.lane("jobdeck", is_jobdeck=True, lease=60.0)
    lane.plan(jobs=jobs)
    player = _Player(lane, threads)
    lane.queue.enqueue_bulk("lab.work", [{"ledger": str(lane.ledger), "seconds": seconds}] * jobs)
    lane.start_thread_worker(player.file)
    lane.wait_ready(1)
    player.play(more, after)
    lane.close()
    with lane.audit() as audit:
        verdicts = judge(audit)
        made = audit.count("SELECT count(*) FROM ledger WHERE event = 'forecast'")
        took = audit.count(f"SELECT {_EMPTY} - min(at) FROM ledger WHERE event = 'start'")
    notes = [
        "The forecast is the number of ready jobs, divided by how fast they became fewer in the last minutes.",
        f"It is judged if it was made {_SETTLED:g} s after the last change of threads, and before the queue was empty.",
    ]
    return Findings(
        verdicts, [Figure("jobdeck", "forecasts", made), Figure("jobdeck", "until empty", round(took, 1), " s")], notes
    )


class _Player:
    """Changes the threads, and writes depths and forecasts to the ledger."""

    def __init__(self, lane: StageLane, threads: int) -> None:
        self.lane = lane
        self.file = lane.folder / "threads"
        self._threads = 0
        self._trail: list[tuple[float, int]] = []
        self._set(threads)

    def _set(self, threads: int) -> None:
        threads = min(_MOST, max(1, threads))
        if threads == self._threads:
            return
        self._threads = threads
        written = self.file.with_suffix(".new")
        written.write_text(str(threads))
        os.replace(written, self.file)  # noqa: PTH105  # the worker reads one number or the other
        append(self.lane.ledger, "threads", n=threads)
        self.lane.report(f"{threads} thread{'s' if threads > 1 else ''}")

    def play(self, more: int, after: float) -> None:
        """Sample until the queue is empty."""
        stage = self.lane.stage
        waited = 0.0
        while True:
            while (wish := stage.take_wish()) is not None:
                more = 0  # the viewer has taken over
                self._set(self._threads + (1 if wish == "more" else -1))
            if more and waited >= after:
                self._set(self._threads + more)
                more = 0
            if not self._sample():
                break
            stage.pause(_SAMPLE)
            waited += _SAMPLE
        stage.wait(lambda: self.lane.queue.count("state:completed") == self.lane.queue.count(), "the last jobs")

    def _sample(self) -> bool:
        """Write the depth and the forecast; return `False` if no job is ready any more."""
        (stats,) = self.lane.queue.queue_stats(seconds=120.0, slices=24)
        ready = stats.info.pending
        append(self.lane.ledger, "depth", n=ready)
        self.lane.stage.show(self.lane.name, ready=ready, threads=self._threads)
        if not ready:
            append(self.lane.ledger, "empty")
            return False
        self._trail.append((stats.at, ready))
        empty_in = forecast(stats, self._trail).empty_in  # as the Queues screen does
        if empty_in is not None:
            append(self.lane.ledger, "forecast", seconds=empty_in, ready=ready)
        return True


def judge(audit: Audit) -> list[Verdict]:
    """Count what the lane has left behind."""
    # A forecast is no promise: it says what happens if nothing changes.
    return [
        audit.judge("percent that the worst settled forecast was off", _OFF, at_most=_LIMIT, is_own=False, at_end=True),
        audit.judge("lost jobs", LOST_JOBS, at_end=True),
    ]


def draw(lane: LaneWatch) -> LanePicture:
    """Draw the depth over time, and as points the newest forecast: from where it was made down to nothing."""
    depths = [line for line in lane.lines if line.event == "depth"]
    since = depths[0].at if depths else 0.0
    made = [line for line in lane.lines if line.event == "forecast"]
    last = made[-1] if made else None
    end = (last.at - since + last.more["seconds"]) if last is not None else 0.0
    columns = max(120, int(max(end, depths[-1].at - since if depths else 0.0) / _SAMPLE) + 2)
    columns = min(columns, 2000)
    values = [0.0] * columns
    for line in depths:
        at = min(columns - 1, int((line.at - since) / _SAMPLE))
        values[at] = float(line.more["n"])
    filled = int((depths[-1].at - since) / _SAMPLE) if depths else -1
    for at in range(1, min(columns, filled + 1)):
        values[at] = values[at] or values[at - 1]
    points: list[float | None] = [None] * columns
    if last is not None and lane.counts["empty"] == 0:
        for at in range(filled + 1, columns):
            left = last.more["ready"] * (1 - (since + at * _SAMPLE - last.at) / max(0.1, last.more["seconds"]))
            points[at] = max(0.0, left) if left > -1 else None
    threads = [int(line.more["n"]) for line in lane.lines if line.event == "threads"]
    ready = int(depths[-1].more["n"]) if depths else int(lane.plan.get("jobs", 0))
    empty = next((line.at - since for line in lane.lines if line.event == "empty"), None)
    rows = [
        PictureRow("▸", "threads", Mood.ACCENT, threads[-1] / _MOST if threads else 0.0, str(threads[-1] if threads else 1))
    ]
    if empty is not None:
        rows.append(PictureRow("✓", "empty", Mood.GOOD, None, f"after {empty:.1f} s"))
    elif last is not None:
        rows.append(PictureRow("●", "forecast: empty", Mood.ACCENT, None, f"in {last.more['seconds']:.0f} s"))
    chart = Columns(
        tuple(values), (Mood.GOOD,) * columns, "jobs ready", ("0 s", f"{columns * _SAMPLE:.0f} s"),
        top=float(lane.plan.get("jobs", 0)), line=tuple(points),
    )  # fmt: skip
    caption = f"{len(lane.ended)} of {int(lane.plan.get('jobs', 0))} jobs done"
    mood = Mood.CALM if not depths else Mood.GOOD if empty is not None else Mood.PLAIN
    return LanePicture(
        lane.spec.name,
        lane.spec.what,
        str(ready),
        "jobs ready",
        mood,
        (PictureRows(tuple(rows)), chart),
        caption,
        lane.is_active,
    )
