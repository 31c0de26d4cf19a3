"""The metrics screen: charts of throughput, failures, run and wait times, and a table of the kinds or queues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.events import Resize
from textual.widget import Widget

from ..feed.queries.metrics import GROUPINGS, RANGES, MetricsData, MetricsQuery
from ..text.format import field_filter, number
from ..text.sanitize import safe
from ..widgets.base.choice_bar import Choice, ChoiceBar, ChoiceGroups, LabeledChoice
from ..widgets.charts.dashboard_charts import IN_ROWS, sparkline
from ..widgets.charts.metric_chart import ChartData, MetricChart
from ..widgets.charts.metric_charts import Depth, Failures, OldestWait, RunTime, ThroughputChart, WaitTime
from ..widgets.charts.metric_groups import SORT_NAMES, SORTS, heads, order, row, spark_width
from ..widgets.charts.scales import moment_text
from ..widgets.table.keyed_table import KeyedTable
from .view_screen import ViewScreen

_RANGE_NAMES = {600.0: "10m", 3600.0: "1h", 86400.0: "24h", 604800.0: "7d"}
_MIN_CHART = 7
"""Minimum height of a chart, with its frame."""
_MAX_CHART = 14
"""Maximum height of a chart above the table."""
_MIN_TABLE = 8
_STRIDE = 10
"""Slices that shift moves the cursor by."""


class MetricsScreen(ViewScreen):
    """Charts, and below them the table of groups."""

    HELP_TITLE = "Metrics"
    SCREEN_NAME = "metrics"
    AUTO_FOCUS = "#groups"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "range(-1)", "range", key_display="[ ]", tooltip="Shorten the time range"),
        Binding("right_square_bracket", "range(1)", "longer range", show=False, tooltip="Extend the time range"),
        Binding(
            "t", "next_range", "next range", show=False, tooltip="Cycle the time range: 10 minutes, 1 hour, 24 hours, 7 days"
        ),
        Binding("b", "group", "group by", tooltip="Group by kind, by queue or not at all"),
        Binding(
            "left,h",
            "point(-1)",
            "read values",
            key_display="h l",
            tooltip="Move the cursor left; shows the values at its time",
        ),
        Binding("right,l", "point(1)", "cursor right", show=False, tooltip="Move the cursor right"),
        Binding("shift+left,H", f"point(-{_STRIDE})", "far left", show=False, tooltip="Move the cursor ten slices left"),
        Binding("shift+right,L", f"point({_STRIDE})", "far right", show=False, tooltip="Move the cursor ten slices right"),
        Binding("o", "jobs", "jobs", tooltip="Show the jobs of the selected group, or of the charts"),
        Binding("s", "sort", "sort", show=False, tooltip="Sort the groups by jobs, failure rate, run p95, wait p95 or name"),
        Binding("1", "part('throughput')", "throughput", show=False, tooltip="Focus the throughput chart"),
        Binding("2", "part('latency')", "latency", show=False, tooltip="Focus the run time chart"),
        Binding(
            "escape,q",
            "back",
            "back",
            key_display="esc",
            tooltip="Clear the zoom, the cursor and the filter, then return to the jobs",
        ),
    ]
    PARTS = (*ViewScreen.PARTS, ChoiceGroups, KeyedTable, RunTime)

    def __init__(self) -> None:
        super().__init__()
        self.seen: MetricsData | None = None
        """The shown data."""
        self.cursor_time: float | None = None
        """The time that the cursor is at."""
        self.filters: tuple[tuple[str, str], ...] = ()
        """The queue and the kind that the charts are filtered by, in the order of selection."""
        self._seconds = RANGES[0]
        self._by = "kind"
        self._sort = "jobs"
        self._zoomed: MetricChart | None = None
        self._requested: MetricsQuery | None = None

    # -- what is shown ----------------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        yield ChoiceGroups(id="metrics-choices")
        with Grid(id="measures"):
            yield ThroughputChart(id="throughput-over-time")
            yield RunTime(id="run-over-time")
            yield Failures(id="failures-over-time")
            yield WaitTime(id="wait-over-time")
            yield Depth(id="depth-over-time")
            yield OldestWait(id="oldest-over-time")
        yield KeyedTable("kinds", heads("kind", spark_width(0)), id="groups")

    def on_mount(self) -> None:
        """Restore the range and the grouping of the last session."""
        remembered = self.cockpit.preferences
        seconds, by = remembered.get("metrics range", self._seconds), remembered.get("metrics by", self._by)
        self._seconds = seconds if seconds in RANGES else RANGES[0]
        self._by = by if by in GROUPINGS else "kind"
        self._regroup()

    def current_query(self) -> MetricsQuery:
        chart = self._charts[0] if self._zoomed is None else self._zoomed
        only = dict(self.filters)
        slots = max(20, chart.plot_width)
        return MetricsQuery(self._seconds, slots, self._by, only.get("queue"), only.get("kind"))

    def show(self, seen: object) -> None:
        self.seen = cast("MetricsData", seen)
        self._show_charts()
        self._show_groups()
        self._arrange()

    @property
    def _charts(self) -> list[MetricChart]:
        return list(self.query(MetricChart))

    @property
    def _table(self) -> KeyedTable:
        return self.query_one(KeyedTable)

    @property
    def cursor(self) -> int | None:
        """The index of the slice under the cursor."""
        if self.cursor_time is None or self.seen is None:
            return None
        slots = self.seen.charts.slices
        return max(0, min(len(slots) - 1, int((self.cursor_time - slots[0].at) // slots[0].seconds)))

    def _show_charts(self) -> None:
        if self.seen is None:
            return
        reading = ChartData(self.seen.charts, self._seconds, self.cursor, "kind" in dict(self.filters))
        for chart in self._charts:
            if chart.display:
                chart.show(reading)
        self._show_choices()

    def _show_choices(self) -> None:
        groups = [
            [LabeledChoice(name, Choice(str(each), "range"), each == self._seconds) for each, name in _RANGE_NAMES.items()],
            [LabeledChoice("by", None), *(LabeledChoice(each, Choice(each, "by"), each == self._by) for each in GROUPINGS)],
        ]
        groups += [
            [LabeledChoice(f"{field} {safe(name)} ×", Choice(field, "widen"), meaning="accent")] for field, name in self.filters
        ]
        if self.cursor is not None and self.seen is not None:
            at = moment_text(self.seen.charts.slices[self.cursor].at, self._seconds)
            groups.append([LabeledChoice(f"at {at} ×", Choice("", "cursor"), meaning="strong")])
        self.query_one(ChoiceGroups).show(groups)

    def _show_groups(self) -> None:
        if self.seen is None or self._by == "none":
            return
        seen, only, width = self.seen, dict(self.filters).get(self._by), spark_width(self.size.width)
        rows = [
            row(name, slot, sparkline(seen.completed.get(name, ()), width, IN_ROWS), narrowed=name == only)
            for name, slot in sorted(seen.groups.items(), key=lambda item: order(self._sort, *item))
        ]
        table = self._table
        table.heads = heads(self._by, width)
        table.empty = [
            [("  No jobs ran in this time range.", "strong")],
            [("  ]", "accent"), ("   extends the range", "quiet")],
        ]
        table.show(rows, sorted_by=self._sort, descending=self._sort != "name")
        within = [(f"in {field} {safe(name)}", "$quiet") for field, name in self.filters if field != self._by]
        table.set_titles([(number(len(rows)), "$quiet"), *within], [(f"by {SORT_NAMES[self._sort]}", "$quiet")])

    # -- the layout ---------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        """Show as many charts as fit."""
        super().on_resize(event)
        self.call_after_refresh(self._rearrange)

    def _rearrange(self) -> None:
        if self.is_ready:
            self._arrange()
            self._show_charts()

    def restart_query(self) -> None:
        self._requested = self.current_query()
        super().restart_query()

    def on_metric_chart_resized(self) -> None:
        """Repeat the query if the charts have space for a different number of slices."""
        if self.is_ready and self.app.screen is self and self.current_query() != self._requested:
            self.restart_query()

    def _arrange(self) -> None:
        available = self.size.height - 4
        grouped = self._by != "none" and self._zoomed is None
        table = self._table
        grid = self.query_one("#measures")
        table.display = grouped
        wanted = max(_MIN_TABLE, min(available // 3, len(table.rows) + 3)) if grouped else 0
        wanted = wanted if available - wanted >= _MIN_CHART else max(4, available - _MIN_CHART + 1) if grouped else 0
        rows = 1 if self._zoomed is not None else max(1, min(3, (available - wanted) // _MIN_CHART))
        height = (available - wanted) // rows
        if grouped:
            height = min(_MAX_CHART, height)
        grid.styles.grid_size_columns = 1 if self._zoomed is not None else 2
        grid.styles.grid_size_rows = rows
        grid.styles.height = height * rows if grouped else "1fr"
        for at, chart in enumerate(self._charts):
            chart.display = at < 2 * rows if self._zoomed is None else chart is self._zoomed

    # -- ranges and groups --------------------------------------------------------------------------

    def action_range(self, by: int) -> None:
        """Shorten or extend the time range."""
        at = RANGES.index(self._seconds) + by
        if 0 <= at < len(RANGES):
            self._set_range(RANGES[at])
        else:
            name = _RANGE_NAMES[self._seconds]
            self.cockpit.notify_user(f"{name} is the {'shortest' if by < 0 else 'longest'} range")

    def action_next_range(self) -> None:
        """Switch to the next time range."""
        self._set_range(RANGES[(RANGES.index(self._seconds) + 1) % len(RANGES)])

    def _set_range(self, seconds: float) -> None:
        self._seconds, self.cursor_time = seconds, None
        self.cockpit.preferences.put("metrics range", seconds)
        self._show_choices()
        self.restart_query()

    def action_group(self) -> None:
        """Switch to the next grouping."""
        self._group_by({"kind": "queue", "queue": "none", "none": "kind"}[self._by])

    def _group_by(self, by: str) -> None:
        self._by = by
        self.cockpit.preferences.put("metrics by", by)
        self._regroup()
        self._show_charts()
        self.restart_query()

    def _regroup(self) -> None:
        table = self._table
        if self._by != "none":
            table.label, table.heads = f"{self._by}s", heads(self._by, spark_width(self.size.width))
            table.show([])
            table.set_titles()
        had_focus = table.has_focus
        self._arrange()
        if self._by == "none" and had_focus:
            self._charts[0].focus()
        elif self._by != "none":
            table.focus()
        self._show_choices()

    @on(ChoiceBar.Chosen, "#metrics-choices")
    def choose_clicked(self, event: ChoiceBar.Chosen) -> None:
        """Apply the clicked choice."""
        if event.group == "range":
            self._set_range(float(event.value))
        elif event.group == "by":
            self._group_by(event.value)
        elif event.group == "cursor":
            self._point(None)
        else:
            self._narrow(tuple(each for each in self.filters if each[0] != event.value))

    def action_sort(self) -> None:
        """Sort by the next sortable column."""
        self._sort = SORTS[(SORTS.index(self._sort) + 1) % len(SORTS)]
        self._show_groups()

    def on_keyed_table_sort_requested(self, event: KeyedTable.SortRequested) -> None:
        """Sort by the clicked column."""
        self._sort = event.key
        self._show_groups()

    # -- from all jobs to a group, and to its jobs ----------------------------------------------------

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Filter the charts by the group; if they already are, show its jobs."""
        chosen = (self._by, str(event.key))
        if chosen in self.filters:
            self.action_jobs()
        else:
            self._narrow((*(each for each in self.filters if each[0] != self._by), chosen))

    def narrow_to(self, field: str, name: str, seconds: float) -> None:
        """Show one queue or kind over a time range, without remembering the range."""
        self._zoomed, self.cursor_time, self._seconds = None, None, seconds
        self._narrow(((field, name),))

    def _narrow(self, narrowed: tuple[tuple[str, str], ...]) -> None:
        self.filters = narrowed
        self._show_choices()
        self.restart_query()

    def action_jobs(self) -> None:
        """Show the jobs of the selected group, or of the charts' filter."""
        only = dict(self.filters)
        key = self._table.key
        if self._by != "none" and key is not None:
            only[self._by] = str(key)
        self.cockpit.show_jobs(" ".join(field_filter(field, name) for field, name in only.items()))

    def action_back(self) -> None:
        """Clear the zoom, then the cursor, then the filter; then return to the jobs."""
        if self._zoomed is not None:
            self._zoom(None)
        elif self.cursor_time is not None:
            self._point(None)
        elif self.filters:
            self._narrow(self.filters[:-1])
        else:
            super().action_back()

    # -- the cursor and the charts --------------------------------------------------------------------

    def action_point(self, by: int) -> None:
        """Move the cursor by slices; it starts at the newest complete one."""
        if self.seen is None:
            return
        slots = self.seen.charts.slices
        at = len(slots) - 2 if self.cursor is None else self.cursor + by
        self._point(max(0, min(len(slots) - 1, at)))

    def on_metric_chart_pointed(self, event: MetricChart.Pointed) -> None:
        """Move the cursor to the clicked position."""
        self._point(event.index)

    def _point(self, index: int | None) -> None:
        if self.seen is not None:
            slots = self.seen.charts.slices
            # The middle of the slice, which stays within it if the next query shifts the slices a little.
            self.cursor_time = None if index is None else slots[index].at + slots[index].seconds / 2
            self._show_charts()

    def on_metric_chart_zoomed(self, event: MetricChart.Zoomed) -> None:
        """Show one chart alone, or all of them."""
        self._zoom(None if self._zoomed is event.chart else event.chart)

    def _zoom(self, chart: MetricChart | None) -> None:
        self._zoomed = chart
        self._rearrange()

    def action_part(self, part: str) -> None:
        """Focus a chart."""
        self.focus_part(part)

    def focus_part(self, part: str) -> None:
        if self._zoomed is not None:
            self._zoom(None)
        self.query_one(RunTime if part == "latency" else ThroughputChart).focus()
