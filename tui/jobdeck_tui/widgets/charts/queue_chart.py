"""The chart of the last five minutes of a queue: throughput above, depth below."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from rich.style import Style

from jobdeck import QueueStats

from ...text.format import number, rough_rate
from ...text.sanitize import safe
from ..base.panel import Panel
from ..base.strips import Piece, fit
from .dashboard_charts import bar_cells, rate_now, rates, stretch

_RECENT = 15.0
"""Seconds: the newest part of the chart that the current rate is taken from."""
Point = tuple[float, int]


def done_rates(stats: QueueStats, columns: int) -> list[float]:
    """Return the completed jobs per second in at most `columns` values: the mean of the slices that share a column."""
    values = rates(stats)
    share = -(-len(values) // columns) if columns else 1
    # Counted from the newest, so that a bar keeps its value until the next slice starts.
    parts = [values[max(0, end - share) : end] for end in range(len(values), 0, -share)]
    return [sum(part) / len(part) for part in reversed(parts)]


def done_now(stats: QueueStats) -> str:
    """Return the current rate of completed jobs per second or per minute, as text."""
    rate = rate_now(stats, over=_RECENT)
    return rough_rate(rate) if rate else "0"


def depths_at(trail: Sequence[Point], moments: Sequence[float]) -> list[float | None]:
    """Return the number of ready jobs at each time, interpolated between the known ones; `None` before the first."""
    times = [at for at, _ in trail]
    found: list[float | None] = []
    for moment in moments:
        after = bisect_left(times, moment)
        if after >= len(trail):
            found.append(float(trail[-1][1]) if trail else None)
        elif times[after] == moment or after:
            (t0, d0), (t1, d1) = trail[max(0, after - 1)], trail[after]
            found.append(d1 if t1 == t0 else d0 + (d1 - d0) * (moment - t0) / (t1 - t0))
        else:
            found.append(None)
    return found


def bars(values: Sequence[float | None], height: int, top: float) -> list[str]:
    """Draw the values as bars of eighth blocks, one string per line from the top."""
    return [bar_cells(values, height, top, level) for level in range(height - 1, -1, -1)]


class QueueChart(Panel, can_focus=False):
    """Two charts with one time axis."""

    label = "last 5 minutes"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._backlog: QueueStats | None = None
        self._trail: Sequence[Point] = ()
        self._lines: list[list[Piece]] = []
        self._drawn_for: tuple[int, int] | None = None

    def show(self, stats: QueueStats | None, trail: Sequence[Point]) -> None:
        """Draw this queue."""
        self._backlog, self._trail, self._drawn_for = stats, trail, None
        self.set_titles([] if stats is None else [(f"of {safe(stats.info.name)}", "$quiet")])
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        size = (width, self.size.height)
        if self._drawn_for != size:
            self._drawn_for, self._lines = size, self._draw_lines(*size)
        return self._lines[y] if y < len(self._lines) else []

    def _draw_lines(self, width: int, height: int) -> list[list[Piece]]:
        stats = self._backlog
        if stats is None or height < 5 or width < 20:
            return []
        quiet, accent = self.style("quiet"), self.style("accent")
        above = (height - 3 + 1) // 2
        below = height - 3 - above
        done = stretch(done_rates(stats, width), width)
        start = stats.slices[0].at
        moments = [start + (stats.at - start) * (column + 1) / width for column in range(width)]
        depths = depths_at(self._trail, moments)
        deepest = max((depth for depth in depths if depth is not None), default=0.0)
        fastest = max(done, default=0.0)
        now = number(stats.info.pending)
        return [
            _heading(
                "done",
                done_now(stats),
                f"peak {rough_rate(fastest)}" if fastest else "",
                width,
                accent,
                quiet,
            ),
            *([(text, accent)] for text in bars(done, above, fastest)),
            _heading("ready", now, f"peak {number(math.ceil(deepest))}" if deepest else "", width, self.style("strong"), quiet),
            *([(text, quiet)] for text in bars(depths, below, deepest)),
            [(_axis(width), quiet)],
        ]


def _heading(name: str, now: str, peak: str, width: int, style: Style, quiet: Style) -> list[Piece]:
    blanks = max(1, width - len(name) - len(now) - len(peak) - 1)
    return [(f"{name} ", quiet), (now, style), (" " * blanks + peak, quiet)]


def _axis(width: int) -> str:
    middle = "-2.5m"
    gap = max(1, (width - len(middle)) // 2 - 3)
    return fit("-5m" + " " * gap + middle, width - 3) + "now"
