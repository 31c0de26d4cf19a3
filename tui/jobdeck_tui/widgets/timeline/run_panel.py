"""The panel below the timeline that describes the selected run: what, when, how long, and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobdeck import Run

from ...feed.queries.timeline import TimelineData
from ...text.format import duration
from ...text.sanitize import safe
from ..base.panel import Panel
from ..base.strips import Piece
from .run_bars import AGAIN, GLYPHS, WORDS, style_of

_MEANINGS = {
    "running": "accent",
    "completed": "good",
    "failed": "error",
    "crashed": "error",
    AGAIN: "warning",
    "cancelled": "quiet",
    "back": "later",
}


class RunPanel(Panel):
    """Three lines about the selected run, or a summary of all runs."""

    can_focus = False
    label = "run"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: Run | None = None
        self._seen: TimelineData | None = None

    def show(self, run: Run | None, seen: TimelineData | None) -> None:
        """Describe this run, or all visible runs if `None`."""
        self._run, self._seen = run, seen
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        seen = self._seen
        if seen is None:
            return []
        lines = self._summarize(seen) if self._run is None else self._describe(self._run, seen)
        return lines[y] if y < len(lines) else []

    def _summarize(self, seen: TimelineData) -> list[Sequence[Piece]]:
        quiet, strong = self.style("quiet"), self.style("strong")
        runs = [bar.run for each in seen.workers for lane in each.lanes for bar in lane]
        counted: dict[str, int] = {}
        for run in runs:
            query = style_of(run)
            counted[query] = counted.get(query, 0) + 1
        pieces: list[Piece] = [(" ", quiet)]
        for query, sign in GLYPHS.items():
            if counted.get(query):
                pieces += [(f"{sign} ", self.style(_MEANINGS[query])), (f"{counted[query]:,} ", strong)]
                pieces.append((f"{WORDS.get(query, query)}   ", quiet))
        if not runs:
            return [[*pieces, ("nothing ran in this period", quiet)]]
        choose: list[Piece] = [(" ", quiet)]
        for key, text in (("tab", "the newest run"), ("j k", "lanes"), ("n", "the newest failure")):
            choose += [(key, self.style("accent")), (f" {text}   ", quiet)]
        return [pieces, choose]

    def _describe(self, run: Run, seen: TimelineData) -> list[Sequence[Piece]]:
        quiet, strong = self.style("quiet"), self.style("strong")
        query = style_of(run)
        outcome = str(run.outcome) if run.outcome is not None else "cancelling" if run.cancelling else "running"
        if run.failed:
            outcome += " · retried" if run.superseded else ""
        state = self.style(_MEANINGS[query])
        first: list[Piece] = [(f" {GLYPHS[query]} {outcome}", state), (f"   #{run.job_id} {safe(run.kind)}", strong)]
        first += [("   queue ", quiet), (safe(run.queue), strong)]
        first += [("   attempt ", quiet), (f"{run.number} of {run.max_attempts}", strong)]
        worker, _, _ = run.worker.rpartition(":")
        end = seen.at if run.finished_at is None else run.finished_at
        took = "runs for" if run.finished_at is None else "took"
        second: list[Piece] = [(" started ", quiet), (_clock(run.started_at), strong)]
        second += [(f"   {took} ", quiet), (duration(max(0.0, end - run.started_at)), strong)]
        if run.progress is not None:
            second += [("   done ", quiet), (f"{run.progress:.0%}", strong)]
        if run.lease_until is not None:
            lease = run.lease_until - seen.at
            second += [("   lease ends in ", quiet), (duration(lease), strong)] if lease > 0 else [("   lease ended", state)]
        second += [("   on ", quiet), (safe(worker or run.worker), strong)]
        third: list[Piece] = []
        if run.late_at is not None:
            late = duration(run.late_at - end)
            third.append((f" a result arrived {late} too late and was discarded  ", self.style("warning")))
        if run.error:
            third.append((f" {safe(run.error)}", state))
        return [first, second, third]


def _clock(at: float) -> str:
    """Return the local time to the millisecond."""
    try:
        return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "out of range"
