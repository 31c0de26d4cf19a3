"""The charts of the metrics screen: throughput, failures, run times, waits, ready jobs and the oldest wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style

from jobdeck import Latency, Metrics, TimeSlice

from ...text.format import duration, number, rate_text
from ..base.strips import Piece
from .dashboard_charts import curve, percentiles, rates, stretch
from .metric_chart import ChartData, MetricChart, Plot, Titles
from .scales import LEAST, amount, fill_gaps, round_top, share, time_bounds, time_lines


class ThroughputChart(MetricChart):
    """Completed jobs per second, with the failed attempts stacked on them."""

    digit = 1
    label = "throughput"

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        completed = stretch(rates(reading.metrics), width)
        failed = stretch(rates(reading.metrics, _failed), width)
        highest = max((one + other for one, other in zip(completed, failed, strict=True)), default=0.0)
        if not highest:
            return None
        top = round_top(highest)
        rows = self.bars([(completed, self.style("accent")), (failed, self.style("error"))], top, height)
        return Plot(rows, self.level_labels(top, height, amount))

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        slot = reading.slot
        counted = (
            (slot.completed, "done", "$accent"),
            (slot.failed, "failed", "$error"),
            (slot.retried, "retried", "$warning"),
            (slot.started, "started", "$quiet"),
        )
        return [
            [(f"{rate_text(count / slot.seconds)} {name}", color if count else "$quiet")]
            for count, name, color in counted
            if count or name == "done"
        ]

    def subtitle(self, reading: ChartData) -> Titles:
        total = reading.metrics.total
        return (
            []
            if not total.completed
            else [(f"peak {rate_text(max(rates(reading.metrics), default=0.0))} · {number(total.completed)} done", "$quiet")]
        )


class Failures(MetricChart):
    """The share of failed attempts."""

    label = "failures"
    EMPTY = "nothing has failed"

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        values = stretch([slot.failure_rate or 0.0 for slot in reading.metrics.slices], width)
        highest = max(values, default=0.0)
        if not highest:
            return None
        top = min(1.0, round_top(highest))
        return Plot(self.bars([(values, self.style("error"))], top, height), self.level_labels(top, height, share))

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        slot = reading.slot
        if slot.failure_rate is None:
            return [[("—", "$quiet")]]
        return [
            [(f"{slot.failure_rate:.1%}", "$error" if slot.failed else "$success")],
            [(f"{number(slot.failed)} of {number(slot.completed + slot.failed)}", "$quiet")],
        ]

    def subtitle(self, reading: ChartData) -> Titles:
        slot = reading.slot
        named = ((slot.retried, "retried"), (slot.crashed, "crashed"), (slot.cancelled, "stopped"))
        return [(" · ".join(f"{number(count)} {name}" for count, name in named if count), "$quiet")]


class Durations(MetricChart):
    """Percentiles of a duration, on a logarithmic scale."""

    EMPTY = "nothing was measured"
    STYLES: ClassVar[Sequence[tuple[str, str, str]]] = (
        ("p50", "good", "$success"),
        ("p95", "accent", "$accent"),
        ("p99", "later", "$later"),
    )

    def measure(self, slot: TimeSlice) -> Latency:
        """Return the duration to show of a slice."""
        raise NotImplementedError

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        latencies = [self.measure(slot) for slot in reading.metrics.slices]
        series = [([getattr(each, name) for each in latencies], style) for name, style, _ in self.STYLES]
        return self.lines_of(series, width, height)

    def lines_of(self, series: Sequence[tuple[Sequence[float | None], str]], width: int, height: int) -> Plot | None:
        """Draw lines through the values; if lines meet, the first is visible."""
        found = [
            ([None if value is None else max(LEAST, value) for value in stretch(values, width)], self.style(style))
            for values, style in series
        ]
        known = [value for values, _ in found for value in values if value is not None]
        if not known:
            return None
        low, high = time_bounds(min(known), max(known))
        grids = [(curve(values, low, high, height), style) for values, style in found]
        rows = [
            [merge_dots([(grid[y][column], style) for grid, style in grids]) for column in range(width)] for y in range(height)
        ]
        return Plot(rows, time_labels(low, high, height))

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        latency = self.measure(reading.slot)
        return [percentiles(latency, [name]) for name, _, _ in self.STYLES] if latency.count else [[("—", "$quiet")]]

    def subtitle(self, reading: ChartData) -> Titles:
        count = self.measure(reading.slot).count
        if not self.measure(reading.metrics.total).count:
            return []
        legend = [(f"{name} ", color) for name, _, color in reversed(self.STYLES)]
        return [*legend, (f"· {number(count)} measured", "$quiet")]


class RunTime(Durations):
    """The run times of attempts."""

    digit = 2
    label = "run time"

    def measure(self, slot: TimeSlice) -> Latency:
        return slot.run


class WaitTime(Durations):
    """The time from due to start."""

    label = "wait"

    def measure(self, slot: TimeSlice) -> Latency:
        return slot.wait


class Depth(MetricChart):
    """The number of ready jobs."""

    label = "ready"
    EMPTY = "nothing was sampled"

    def empty(self, reading: ChartData) -> str:
        return "sampled by queue, not by kind" if reading.of_kind else self.EMPTY

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        values = sample(reading.metrics, lambda slot: slot.depth)
        if all(value is None for value in values):
            return None
        columns = stretch([value or 0.0 for value in values], width)
        top = max(5.0, round_top(max(columns)))
        return Plot(self.bars([(columns, self.style("quiet"))], top, height), self.level_labels(top, height, amount))

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        value: float | None = reading.metrics.pending
        if reading.cursor is not None:
            value = sample(reading.metrics, lambda slot: slot.depth)[reading.cursor]
        jobs = "—" if value is None else f"{number(int(value))} job{'s' * (value != 1)}"
        return [[(jobs, "$foreground" if value else "$quiet")]]

    def subtitle(self, reading: ChartData) -> Titles:
        peak = reading.metrics.total.depth
        return [] if peak is None else [(f"peak {number(peak)} · sampled each minute", "$quiet")]


class OldestWait(Durations):
    """The wait of the oldest ready job."""

    label = "oldest ready"
    EMPTY = "no sample found a job waiting"

    def empty(self, reading: ChartData) -> str:
        return "sampled by queue, not by kind" if reading.of_kind else self.EMPTY

    def plot(self, reading: ChartData, width: int, height: int) -> Plot | None:
        values = [value or None for value in sample(reading.metrics, lambda slot: slot.oldest_wait)]  # 0: nothing was ready
        return self.lines_of([(values, "warning")], width, height)

    def title_parts(self, reading: ChartData) -> Sequence[Titles]:
        oldest = reading.metrics.oldest_wait
        if reading.cursor is not None:
            oldest = sample(reading.metrics, lambda slot: slot.oldest_wait)[reading.cursor] or None
        if oldest is None:
            return [[("—", "$quiet")]]
        return [[(f"waited {duration(oldest)}", "$warning" if oldest >= 1 else "$quiet")]]

    def subtitle(self, reading: ChartData) -> Titles:
        longest = reading.metrics.total.oldest_wait
        return [] if not longest else [(f"at most {duration(longest)} · sampled each minute", "$quiet")]


def sample(metrics: Metrics, value: Callable[[TimeSlice], float | None]) -> list[float | None]:
    """Return a value sampled once a minute, by slice; repeats the previous value in gaps of up to two minutes."""
    width = metrics.slices[0].seconds
    return fill_gaps([value(slot) for slot in metrics.slices], math.ceil(120 / width) if width < 120 else 0)


def _failed(slot: TimeSlice) -> int:
    return slot.failed


def merge_dots(dots: Sequence[tuple[int, Style]]) -> Piece:
    """Return a cell with the dots of all lines, in the color of the first one with a dot."""
    bits, shown = 0, Style()
    for more, style in dots:
        if more and not bits:
            shown = style
        bits |= more
    return (chr(0x2800 + bits) if bits else " ", shown)


def line_at_value(value: float, low: float, high: float, height: int) -> int:
    """Return the line of the chart, from the top, at which a duration is drawn."""
    share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    return (height * 4 - 1 - round(share * (height * 4 - 1))) // 4


def time_labels(low: float, high: float, height: int) -> dict[int, str]:
    """Return the labels by line of the chart; drops inner labels that would touch another."""
    labels: dict[int, str] = {}
    lines = time_lines(low, high)
    for at, label in (lines[-1], lines[0], *lines[1:-1]):
        y = line_at_value(at, low, high, height)
        if not {y - 1, y, y + 1} & labels.keys() or (not labels):
            labels[y] = label
    return labels
