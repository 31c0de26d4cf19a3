"""The history of a job's kind: run times over time, completed and failed attempts, and the runs of the job itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.css.scalar import Scalar
from textual.events import Click, Resize
from textual.message import Message

from jobdeck import Attempt, State

from ...text.kind_history import RANGE_NAMES, KindHistory, OwnRun, count_finished, describe_run, describe_total, own_run
from ...text.sanitize import safe
from ..base.panel import STATE_CLASSES, Panel
from ..base.strips import Piece
from ..details.job_details import OUTCOME_STATES
from .dashboard_charts import EIGHTHS, curve, merge_pieces, stretch
from .metric_chart import GUTTER, axis
from .metric_charts import line_at_value, merge_dots, time_labels
from .scales import LEAST, time_bounds

_OWN, _EARLIER = "◆", "◇"
_RUNS = 20
"""The number of runs of the job itself that are marked, the newest ones."""
_LINES = (("p50", "good"), ("p95", "accent"))
"""The percentiles drawn, with their styles; if lines meet, the first is visible."""
_LEAST_PLOT = 2
_HEIGHTS = (8, 14)
"""The minimum and maximum height beside other panels, frame included."""
_SURPLUS = 2
"""The free lines beyond the minimum that it needs to appear; to stay, it needs only the minimum."""
_OPENED_HEIGHT = 12
"""The height if the user opens it without enough space."""


class KindChart(Panel):
    """Draws as much as fits: first the text, then the run times, then the counts."""

    digit = 6
    label = "history"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "metrics", tooltip="Open the metrics of this kind"),
    ]

    class Opened(Message):
        """The user asks for the metrics of the kind."""

        def __init__(self, history: KindHistory) -> None:
            super().__init__()
            self.history = history

    class Resized(Message):
        """The number of slices that fit has changed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.history: KindHistory | None = None
        self._runs: tuple[OwnRun, ...] = ()
        self._lines: list[list[Piece]] = []
        self._drawn_for: object = None

    @property
    def columns(self) -> int:
        """The number of columns of the plot; 0 while hidden."""
        return max(0, self.size.width - GUTTER) if self.display and self.region else 0

    def share(self, free: int | None) -> None:
        """Take as many of the `free` lines as useful, or hide if they are too few; `None` if the chart has a side to itself."""
        if free is None:
            self.styles.clear_rule("height")
            return
        least, most = _HEIGHTS
        if self.history is not None and not count_finished(self.history.total):  # nothing to draw, only text
            least = most = 1 + bool(self._runs) + self.gutter.height
        roomy = free >= least + (0 if self.has_class("-roomy") else _SURPLUS)
        self.set_class(roomy, "-roomy")
        height = Scalar.from_number(max(least, min(most, free)) if roomy else min(most, _OPENED_HEIGHT))
        if self.styles.height != height:
            self.styles.height = height

    def show_history(self, history: KindHistory | None, attempts: Sequence[Attempt], now: float) -> None:
        """Show the history, and mark the runs of the job itself."""
        runs = tuple(own_run(each, now) for each in attempts[-_RUNS:])
        if (history, runs) == (self.history, self._runs):
            return
        self.history, self._runs, self._drawn_for = history, runs, None
        if history is None:
            self.set_titles(())
        else:
            total = history.total
            parts = [
                *zip(
                    describe_total(total),
                    ("$foreground", *["$error"] * bool(total.failed), "$success", "$accent"),
                    strict=False,
                )
            ]
            self.set_titles(
                [(f"of {safe(history.kind)}", "$quiet"), (f"· {RANGE_NAMES[history.seconds]}", "$quiet")],
                [(f" {part} ", color) for part, color in parts] if count_finished(total) else (),
            )
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        """Redraw the chart in its new size."""
        self._drawn_for = None
        self.post_message(self.Resized())

    def on_hide(self) -> None:
        """Stop reading data for the chart."""
        self.post_message(self.Resized())

    def action_open(self) -> None:
        """Show the metrics of the kind."""
        if self.history is not None:
            self.post_message(self.Opened(self.history))

    def on_click(self, event: Click) -> None:
        """Open the metrics at a second click."""
        if event.chain > 1:
            self.action_open()

    # -- drawing ----------------------------------------------------------------------------------

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        size = (width, self.size.height)
        if self._drawn_for != size:
            self._drawn_for, self._lines = size, self._draw_lines(*size)
        return self._lines[y] if y < len(self._lines) else []

    def _draw_lines(self, width: int, height: int) -> list[list[Piece]]:
        history, quiet = self.history, self.style("quiet")
        if history is None or width <= GUTTER:
            return []
        own = self._own_run_line(history)
        if not count_finished(history.total):
            empty = f"no run of this kind has ended in the {RANGE_NAMES[history.seconds]}"
            return [*own, [(empty, quiet)]]
        columns = width - GUTTER
        strips = self._counts(history, columns)
        below: list[list[Piece]] = [[(" " * GUTTER + axis(*self._bounds(history), columns), quiet)]]
        room = height - len(own) - len(below) - len(strips)
        if room < _LEAST_PLOT and len(strips) > 1:
            strips, room = strips[:1], room + len(strips) - 1
        if room < _LEAST_PLOT:
            return [*own, *strips, *below][:height]
        return [*own, *self._run_times(history, columns, room), *strips, *below]

    def _bounds(self, history: KindHistory) -> tuple[float, float]:
        """Return the times at the left and the right edge."""
        slots = history.metrics.slices
        return slots[0].at, slots[-1].at + slots[-1].seconds

    def _own_run_line(self, history: KindHistory) -> list[list[Piece]]:
        """Return a line about the newest run of the job itself."""
        if not self._runs:
            return []
        run = self._runs[-1]
        text, comparison = describe_run(run, history.total.run)
        return [
            [(f"{_OWN} ", self._meaning(run)), (text, Style()), (f", {comparison}" if comparison else "", self.style("quiet"))]
        ]

    def _meaning(self, run: OwnRun) -> Style:
        state = State(OUTCOME_STATES[run.outcome]) if run.outcome is not None else State.RUNNING
        return self.get_component_rich_style(STATE_CLASSES[state], partial=True)

    def _counts(self, history: KindHistory, columns: int) -> list[list[Piece]]:
        """Return the number of completed and failed attempts by slice, one line each, on the same scale."""
        slots = history.metrics.slices
        done, failed = [slot.completed for slot in slots], [slot.failed for slot in slots]
        top = max(*done, *failed)
        strips: list[list[Piece]] = []
        for name, values, style in (("done", done, "quiet"), ("fail", failed, "error")):
            if any(values):
                drawn = "".join(EIGHTHS[math.ceil(8 * value / top)] for value in stretch(values, columns))
                strips.append([(f"{name:>{GUTTER - 1}} ", self.style("quiet")), (drawn, self.style(style))])
        return strips

    def _run_times(self, history: KindHistory, columns: int, height: int) -> list[list[Piece]]:
        """Return the percentiles as lines on a logarithmic scale, with the runs of the job itself."""
        series = [(stretch(_percentile_by_slice(history, name), columns), style) for name, style in _LINES]
        start, end = self._bounds(history)
        marked = [run for run in self._runs if start <= run.at <= end]
        known = [value for values, _ in series for value in values if value is not None]
        known += [max(LEAST, run.took) for run in marked]
        if not known:
            return [[(" " * (GUTTER + columns), Style())] for _ in range(height)]
        low, high = time_bounds(min(known), max(known))
        grids = [(curve(values, low, high, height), self.style(style)) for values, style in series]
        rows = [[merge_dots([(grid[y][x], style) for grid, style in grids]) for x in range(columns)] for y in range(height)]
        labels, faint = time_labels(low, high, height), self.style("line")
        for y in labels:
            rows[y] = [(("─ "[x % 2], faint) if cell == " " else (cell, style)) for x, (cell, style) in enumerate(rows[y])]
        for run in marked:
            x = min(columns - 1, int((run.at - start) / (end - start) * columns))
            y = line_at_value(max(LEAST, run.took), low, high, height)
            rows[y][x] = (_OWN if run is marked[-1] else _EARLIER, self._meaning(run) + Style(bold=True))
        quiet = self.style("quiet")
        return [[(f"{labels.get(y, ''):>{GUTTER - 1}} ", quiet), *merge_pieces(row)] for y, row in enumerate(rows)]


def _percentile_by_slice(history: KindHistory, name: str) -> list[float | None]:
    """Return a percentile of the run times, by slice."""
    values = [getattr(slot.run, name) for slot in history.metrics.slices]
    return [None if value is None else max(LEAST, value) for value in values]
