"""The charts of the main screen: throughput as bars, latency as lines, or both on one line if there is no space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.message import Message

from jobdeck import Latency, Metrics, Overview, QueueStats, State, TimeSlice

from ...text.format import duration
from ...text.sanitize import safe
from ..base.panel import LineWidget, Panel
from ..base.strips import Piece
from .scales import time_bounds, time_lines

EIGHTHS = " ▁▂▃▄▅▆▇█"

#: The bit of each dot in a braille cell (2 dots wide, 4 high, rows from the top). Unicode, block Braille Patterns.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def rate_now(seen: Overview | QueueStats, *, over: float = 10.0) -> float:
    """Return the completed jobs per second of the newest slots that add up to `over` seconds."""
    done, seconds = 0, 0.0
    for slot in reversed(seen.slices):
        done += slot.completed
        seconds += min(slot.seconds, max(0.0, seen.at - slot.at))
        if seconds >= over:
            break
    return done / seconds if seconds else 0.0


def trend(overview: Overview) -> float | None:
    """Return the change of the rate from the previous minute to the newest, as a fraction; `None` if nothing ran."""
    newest, before = 0, 0
    for slot in overview.slices:
        age = overview.at - slot.at
        if age <= 60:
            newest += slot.completed
        elif age <= 120:
            before += slot.completed
    return (newest - before) / before if before else None


def _completed(slot: TimeSlice) -> int:
    return slot.completed


def rates(seen: Overview | Metrics | QueueStats, count: Callable[[TimeSlice], int] = _completed) -> list[float]:
    """Return the count (by default of completed jobs) per second by slot; of the last slot, over its elapsed part."""
    found = [count(slot) / slot.seconds for slot in seen.slices]
    if found:
        last = seen.slices[-1]
        over = seen.at - last.at
        # The first moments of a slot are not representative: repeat the previous value.
        found[-1] = count(last) / over if over >= last.seconds / 3 else (found[-2] if len(found) > 1 else 0.0)
    return found


def format_rate(rate: float) -> str:
    """Format a rate: `142`, `9.3`, `0.2`."""
    return f"{rate:,.0f}" if rate >= 10 or rate == 0 else f"{rate:.1f}"


def format_range(overview: Overview) -> str:
    """Return the range of the charts: `10m`, `1h`."""
    seconds = sum(slot.seconds for slot in overview.slices)
    if seconds < 5400:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3600:.0f}h"


def nothing_ran(overview: Overview) -> str:
    """Return the text of an empty chart: whether nothing has run at all, or not within its range."""
    ever = any(overview.counts.get(state) for state in (State.COMPLETED, State.FAILED, State.RETRYING))
    return f"nothing has run in the last {format_range(overview)}" if ever else "nothing has run yet"


T = TypeVar("T")


def stretch(values: Sequence[T], width: int) -> list[T]:
    """Stretch or sample the values to exactly `width` columns, the newest at the right."""
    count = len(values)
    return [values[column * count // width] for column in range(width)] if count else []


def sparkline(values: Sequence[float], width: int, most: int = 8) -> str:
    """Draw values as a row of eighth blocks, the newest at the right.

    `most` is the height of the highest value in eighths. In a table 7 separates it from the sparkline in the row above.
    """
    top = max(values, default=0.0)
    return "".join(
        EIGHTHS[math.ceil(most * (value / top) - 1e-9)] if top > 0 else EIGHTHS[0] for value in stretch(values, width)
    )


def bar_cells(values: Sequence[float | None], height: int, top: float, level: int) -> str:
    """Return one line of a bar chart of `height` lines, `level` lines above the lowest; `top` is the value of a full bar."""
    eighths = [0 if not value or top <= 0 else math.ceil(value / top * height * 8) - level * 8 for value in values]
    return "".join(EIGHTHS[max(0, min(8, each))] for each in eighths)


IN_ROWS = 7
"""The height of a sparkline in a table row, in eighths of a line."""


class Chart(Panel):
    """A chart over time, with a time axis on the last line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "range", "range", tooltip="Look back 2 minutes, 10 minutes, 1 hour or 24 hours"),
    ]

    class RangeRequested(Message):
        """The user asks for the next range."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.overview: Overview | None = None

    def action_range(self) -> None:
        """Ask for the next range."""
        self.post_message(self.RangeRequested())

    def on_click(self) -> None:
        """Ask for the next range."""
        self.action_range()

    @property
    def plot_height(self) -> int:
        """The number of lines of the plot, without the time axis."""
        return max(1, self.size.height - 1)

    def axis(self, width: int) -> Sequence[Piece]:
        """Return the time axis."""
        quiet = self.style("quiet")
        if self.overview is None or width < 12:
            return []
        seconds = sum(slot.seconds for slot in self.overview.slices)
        start, middle = f"-{_span(seconds)}", f"-{_span(seconds / 2)}"
        gap = max(1, (width - len(start) - len(middle) - 3) // 2)
        text = start + " " * gap + middle
        return [(text + "now".rjust(width - len(text)), quiet)]


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f}s"
    if seconds < 5400:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3600:.0f}h"


class ThroughputPanel(Chart):
    """Completed jobs per second, one bar per slot."""

    digit = 1
    label = "throughput"

    def show(self, overview: Overview) -> None:
        """Draw these slots."""
        self.overview = overview
        change = trend(overview)
        arrow: list[tuple[str, str]] = []
        if change is not None and abs(change) >= 0.01 and self.size.width >= 34:
            arrow = [(f" {'▲' if change > 0 else '▼'} {min(abs(change), 9.99):.0%}", "$quiet")]
        self.set_titles([(f" {format_rate(rate_now(overview))} jobs/s", "$accent"), *arrow], self._below())
        self.redraw()

    def _below(self) -> list[tuple[str, str]]:
        if self.overview is None:
            return []
        peak = max(rates(self.overview), default=0.0)
        return [(f"peak {format_rate(peak)} · " if peak else "", "$quiet"), (format_range(self.overview), "$quiet")]

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        if self.overview is None:
            return []
        height = self.plot_height
        if y >= height:
            return self.axis(width)
        values = stretch(rates(self.overview), width)
        top = max(values, default=0.0)
        if not top:
            return [(nothing_ran(self.overview).center(width) if y == height // 2 else "", self.style("quiet"))]
        return [(bar_cells(values, height, top, height - 1 - y), self.style("accent"))]


class LatencyChart(Chart):
    """Percentiles of the run time (or of the wait) by slot, on a logarithmic scale."""

    digit = 2
    label = "latency"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "measure", "run or wait", tooltip="Show run times or waits"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.measure = "run"

    def action_measure(self) -> None:
        """Switch between run time and wait."""
        self.measure = "wait" if self.measure == "run" else "run"
        if self.overview is not None:
            self.show(self.overview)

    def show(self, overview: Overview) -> None:
        """Draw these slots."""
        self.overview = overview
        latency = getattr(overview, self.measure)
        measure = "run time" if self.measure == "run" else "wait"
        self.set_titles(
            percentiles(latency, ("p50", "p95", "p99") if self.size.width >= 42 else ("p50", "p95")),
            [(f"{measure} ", "$quiet"), ("p95 ", "$accent"), ("p50", "$success"), (f" · {format_range(overview)}", "$quiet")],
        )
        self.redraw()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        if self.overview is None:
            return []
        height = self.plot_height
        if y >= height:
            return self.axis(width)
        slots = stretch(self.overview.slices, width)
        upper, lower = self._values(slots, "p95"), self._values(slots, "p50")
        known = [value for value in (*upper, *lower) if value is not None]
        if not known:
            return [(nothing_ran(self.overview).center(width) if y == height // 2 else "", self.style("quiet"))]
        low, high = time_bounds(min(known), max(known))
        labels = dict(time_lines(low, high))
        quiet = self.style("quiet")
        pieces: list[Piece] = []
        plots = [curve(values, low, high, height) for values in (upper, lower)]
        label = labels[high] if y == 0 else labels[low] if y == height - 1 else ""
        for column in range(len(slots)):
            top, bottom = plots[0][y][column], plots[1][y][column]
            style = self.style("good") if bottom else self.style("accent")
            cell = chr(0x2800 + (top | bottom)) if top | bottom else " "
            pieces.append((cell, style))
        drawn = merge_pieces(pieces)
        if label and not any(cell != " " for cell, _ in pieces[: len(label) + 1]):
            return [(label, quiet), *_after(drawn, len(label))]
        return drawn

    def _values(self, slots: Sequence[TimeSlice], which: str) -> list[float | None]:
        return [getattr(getattr(slot, self.measure), which) for slot in slots]


def percentiles(latency: Latency, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the named percentiles as pieces for a title."""
    pieces: list[tuple[str, str]] = []
    for name in names:
        value = getattr(latency, name)
        pieces += [(name, "$quiet"), (duration(value) if value is not None else "—", "$accent")]
    return pieces


def curve(values: Sequence[float | None], low: float, high: float, height: int) -> list[list[int]]:
    """Return a line through the values, as braille bits by line and column."""
    grid = [[0] * len(values) for _ in range(height)]
    dots = height * 4
    scale = (dots - 1) / (math.log10(high) - math.log10(low))

    def dot(value: float) -> int:
        return dots - 1 - round((math.log10(max(value, 1e-6)) - math.log10(low)) * scale)

    before: int | None = None
    for column, value in enumerate(values):
        if value is None:
            before = None
            continue
        here = max(0, min(dots - 1, dot(value)))
        start = here if before is None else (before + here) // 2
        for x, (first, last) in enumerate(((start, here), (here, here))):
            for row in range(min(first, last), max(first, last) + 1):
                grid[row // 4][column] |= _DOTS[row % 4][x]
        if before is not None and column:  # rise or fall half-way in the previous column
            for row in range(min(before, start), max(before, start) + 1):
                grid[row // 4][column - 1] |= _DOTS[row % 4][1]
        before = here
    return grid


def merge_pieces(pieces: Iterable[Piece]) -> list[Piece]:
    """Merge adjacent pieces of the same style."""
    found: list[Piece] = []
    for text, style in pieces:
        if found and found[-1][1] == style:
            found[-1] = (found[-1][0] + text, style)
        else:
            found.append((text, style))
    return found


def _after(pieces: Sequence[Piece], cells: int) -> list[Piece]:
    rest: list[Piece] = []
    for text, style in pieces:
        if cells >= len(text):
            cells -= len(text)
            continue
        rest.append((text[cells:], style))
        cells = 0
    return rest


class Sparks(LineWidget):
    """The figures of the charts on one line, for terminals too small for charts."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._overview: Overview | None = None

    def show(self, overview: Overview) -> None:
        """Draw these slots."""
        self._overview = overview
        self.redraw()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        overview = self._overview
        if overview is None:
            return []
        quiet, accent = self.style("quiet"), self.style("accent")
        run = overview.run
        values: list[Callable[[], list[Piece]]] = [
            lambda: [(f"{format_rate(rate_now(overview))} jobs/s", accent)],
            lambda: [("   run p50 ", quiet), (_or_dash(run.p50), accent), (" p95 ", quiet), (_or_dash(run.p95), accent)],
        ]
        text: list[Piece] = [piece for value in values for piece in value()]
        room = max(8, width - sum(len(piece) for piece, _ in text) - 4)
        spark = sparkline(rates(overview), min(room, 30))
        pieces: list[Piece] = [(" ", quiet), (spark, accent), ("  ", quiet), *text]
        busiest = sorted((queue for queue in overview.queues if queue.pending), key=lambda queue: -queue.pending)[:2]
        for queue in busiest:
            more: list[Piece] = [
                ("   " + safe(queue.name), quiet),
                (f" {queue.pending:,}" + (" ‖" if queue.paused else ""), accent),
            ]
            if sum(len(piece) for piece, _ in (*pieces, *more)) > width - 1:
                break  # skipping to a shorter one would make it look like the busiest
            pieces += more
        return pieces


def _or_dash(seconds: float | None) -> str:
    return "—" if seconds is None else duration(seconds)
