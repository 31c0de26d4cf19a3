"""The base of the metrics charts: values over time with both axes, and a cursor that reads them at a point in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.message import Message

from jobdeck import Metrics, TimeSlice, record

from ..base.panel import Panel
from ..base.strips import Piece
from .dashboard_charts import EIGHTHS, merge_pieces
from .scales import moment_text, ticks

GUTTER = 6
"""The width of the value labels at the left, in cells."""

_MIN_WIDTH_FOR_TIME = 50
"""The minimum width at which titles show the time under the cursor."""

Titles = list[tuple[str, str]]


@record
class ChartData:
    """The data of all charts, and the position of their common cursor."""

    metrics: Metrics
    seconds: float
    """The requested range in seconds."""
    cursor: int | None = None
    """The index of the slice under the cursor."""
    of_kind: bool = False
    """`True` if the data is limited to one kind."""

    @property
    def slot(self) -> TimeSlice:
        """The slice under the cursor; without a cursor, the total."""
        return self.metrics.total if self.cursor is None else self.metrics.slices[self.cursor]

    @property
    def begin(self) -> float:
        """The time at the left edge."""
        return self.metrics.slices[0].at

    @property
    def end(self) -> float:
        """The time at the right edge: the end of the current slice."""
        return self.metrics.slices[-1].at + self.metrics.slices[-1].seconds


@record
class Plot:
    """The lines of a chart from the top, cell by cell, and the labels of some of them."""

    rows: Sequence[Sequence[Piece]]
    labels: dict[int, str]


class MetricChart(Panel):
    """A chart over time. Subclasses define the plot (`plot`) and the title (`told`)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "zoom", "zoom", tooltip="Show only this chart; enter or esc shows all"),
    ]
    EMPTY: ClassVar[str] = "nothing has run"

    class Zoomed(Message):
        """The user asks to show only this chart, or all."""

        def __init__(self, chart: MetricChart) -> None:
            super().__init__()
            self.chart = chart

    class Resized(Message):
        """The number of slices that fit has changed."""

    class Pointed(Message):
        """A slice was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.reading: ChartData | None = None
        self._lines: list[list[Piece]] | None = None

    # -- defined by each chart --------------------------------------------------------------------

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        """Draw the values; return `None` if there are none."""
        raise NotImplementedError

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        """Return the parts of the title, the most important first; parts that do not fit are dropped."""
        raise NotImplementedError

    def subtitle(self, reading: ChartData) -> Titles:
        """Return the text in the lower edge."""
        raise NotImplementedError

    # -- shared ------------------------------------------------------------------------------------

    @property
    def plot_width(self) -> int:
        """The number of columns of the plot."""
        return max(1, self.size.width - GUTTER)

    def show(self, reading: ChartData) -> None:
        """Draw this data."""
        self.reading, self._lines = reading, None
        parts = [*self.title_parts(reading)]
        if reading.cursor is not None and self.size.width >= _MIN_WIDTH_FOR_TIME:
            parts.insert(0, [(moment_text(reading.slot.at, reading.seconds), "$foreground bold")])
        titles: Titles = []
        room = self.size.width - 4 - len(self.label) - bool(self.digit)
        for part in parts:
            room -= sum(len(text) + 1 for text, _ in part)
            if room < 0:
                break
            titles += part
        self.set_titles(titles, self.subtitle(reading))
        self.refresh()

    def empty(self, reading: ChartData) -> str:
        """Return the text shown in place of values."""
        return self.EMPTY

    def on_resize(self, event: Resize) -> None:
        """Redraw the chart in its new size."""
        if self.reading is not None:
            self.show(self.reading)
        self.post_message(self.Resized())

    def on_click(self, event: Click) -> None:
        """Move the cursor to the clicked slice; a second click shows only this chart."""
        column = event.x - self.gutter.left - GUTTER
        if self.reading is not None and 0 <= column < self.plot_width:
            self.post_message(self.Pointed(column * len(self.reading.metrics.slices) // self.plot_width))
        if event.chain > 1:
            self.action_zoom()

    def action_zoom(self) -> None:
        """Show only this chart, or all."""
        self.post_message(self.Zoomed(self))

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        if self.reading is None:
            return []
        if self._lines is None or len(self._lines) != self.size.height:
            self._lines = self._draw_lines(self.reading, self.size.height)
        return self._lines[y] if y < len(self._lines) else []

    def _draw_lines(self, reading: ChartData, height: int) -> list[list[Piece]]:
        width, quiet = self.plot_width, self.style("quiet")
        above = max(1, height - 1)
        plot = self.plot(reading, width, above)
        cursor = self._cursor_column(reading, width)
        lines: list[list[Piece]] = []
        for y in range(above):
            if plot is None:
                text = self.empty(reading) if y == above // 2 else ""
                lines.append([(text.center(GUTTER + width), quiet)])
                continue
            label, cells = plot.labels.get(y, ""), [*plot.rows[y]]
            if label not in ("", "0"):  # the base line needs no grid line
                cells = self._with_grid_line(cells)
            if cursor is not None:
                self._draw_cursor(cells, cursor)
            lines.append([(f"{label:>{GUTTER - 1}} ", quiet), *merge_pieces(cells)])
        lines.append([(" " * GUTTER + axis(reading.begin, reading.end, width), quiet)])
        return lines

    def _with_grid_line(self, cells: Sequence[Piece]) -> list[Piece]:
        faint = self.style("line")
        return [(("─ "[column % 2], faint) if cell == " " else (cell, style)) for column, (cell, style) in enumerate(cells)]

    def _draw_cursor(self, cells: list[Piece], column: int) -> None:
        cell, style = cells[column]
        ground = self.get_component_rich_style("ground--cursor", partial=True)
        if cell in " ─":
            cell, style = "│", self.style("quiet")
        cells[column] = (cell, style + ground)

    def _cursor_column(self, reading: ChartData, width: int) -> int | None:
        """Return the middle of the columns that show the slice under the cursor."""
        if reading.cursor is None:
            return None
        count = len(reading.metrics.slices)
        shown = [column for column in range(width) if column * count // width == reading.cursor]
        return shown[len(shown) // 2] if shown else min(width - 1, reading.cursor * width // count)

    def bars(self, parts: Sequence[tuple[Sequence[float], Style]], top: float, height: int) -> list[list[Piece]]:
        """Draw stacked bars, one per column, in eighths of cells."""
        rows = []
        for y in range(height):
            level = (height - 1 - y) * 8
            rows.append(
                [stack_cell([(value, style) for value, style in column], top, height, level) for column in _columns(parts)]
            )
        return rows

    def level_labels(self, top: float, height: int, label: Callable[[float], str]) -> dict[int, str]:
        """Return the labels of a scale that starts at 0: its top, its middle if it fits, and 0."""
        labels = {0: label(top), height - 1: "0"}
        if height >= 6 and height % 2 == 0:
            labels[height // 2] = label(top / 2)
        return labels if height > 1 else {0: label(top)}


def _columns(parts: Sequence[tuple[Sequence[float], Style]]) -> list[list[tuple[float, Style]]]:
    return [[(values[at], style) for values, style in parts] for at in range(len(parts[0][0]))]


def stack_cell(column: Sequence[tuple[float, Style]], top: float, height: int, level: int) -> Piece:
    """Return the cell of a stacked bar at a level, in eighths from below."""
    reached, before, most = 0.0, 0, 0
    shown: Piece = (" ", Style())
    for value, style in column:
        reached += value
        eighths = max(0, min(8, math.ceil(reached / top * height * 8 - 1e-9) - level))
        if value > 0 and eighths > before:
            if before and eighths == 8:  # a full cell is the background of the part below
                shown = (shown[0], shown[1] + Style(bgcolor=style.color))
            else:  # a cell has one text color: that of the larger part
                shown = (EIGHTHS[eighths], style if eighths - before > most else shown[1])
            before, most = eighths, max(most, eighths - before)
    return shown


def axis(begin: float, end: float, width: int) -> str:
    """Return a time axis in local time from `begin` to `end`, which is now."""
    if width < 12:
        return ""
    line = [" "] * width
    for column, label in [*ticks(begin, end, width, reserved=4), (width - 3, "now")]:
        line[column : column + len(label)] = label
    return "".join(line)
