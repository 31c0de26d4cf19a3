"""The queues screen: depth, oldest wait, limits and drain forecast of every queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widget import Widget

from jobdeck import Forecast, QueueStats, State, Trend, forecast, record

from ..app_base import changes_queue
from ..feed.messages import DashboardSnapshot
from ..feed.queries.queues import DepthHistory, QueuesQuery, change_limits
from ..text.format import age, forecast_text, limits_text, number, queue_filter, rough_rate, share_text
from ..text.limits import EXAMPLE, format_limits, limits_problem, read_limits
from ..text.progress import bar
from ..text.sanitize import safe
from ..widgets.base.text_view import TextView
from ..widgets.charts.dashboard_charts import IN_ROWS, sparkline
from ..widgets.charts.queue_chart import QueueChart, done_rates
from ..widgets.details.job_details import StyledLine
from ..widgets.details.queue_details import OUTLOOK_MEANING, facts
from ..widgets.forms.line_editor import LineEditor
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .view_screen import ViewScreen

_SORTS = ("ready", "oldest", "running", "done", "forecast", "queue")
_FIRST_ASCENDING = frozenset({"queue"})
_SORT = "queues.sort"
"""The preference that stores the sort order."""
_URGENT = (
    Trend.STALLED,
    Trend.GROWING,
    Trend.STEADY,
    Trend.DRAINING,
    Trend.PAUSED,
    Trend.KEEPS_UP,
    Trend.EMPTY,
)
"""The sort order of the forecast column, most urgent first."""
_WITH_CHART = (100, 30)
"""The minimum size to show a chart of the selected queue."""
_WITH_FACTS = 20
"""The minimum height to show the details of the selected queue."""
_FRAME = 3
"""Height of header, screen tabs and key hints."""
_TABLE = 4
"""Height of the table without its rows."""
_EMPTY: tuple[StyledLine, ...] = (
    [("  No queues yet.", "strong")],
    [("  Enqueuing a job creates its queue; any name works.", "quiet")],
    [],
    [("  5 n", "accent"), ("   opens the jobs and the form for a new one", "quiet")],
    [("  jobdeck run --queue mail -- echo hello", "accent"), ("   in a shell", "quiet")],
)


class QueuesScreen(ViewScreen):
    """The table of queues, and the details of the selected one."""

    HELP_TITLE = "Queues"
    SCREEN_NAME = "queues"
    AUTO_FOCUS = "#queues-table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "limit", "limits", tooltip="Limit the selected queue's concurrency and start rate"),
        Binding("p", "pause", "pause/resume", tooltip="Pause or resume the selected queue"),
        Binding(
            *("P", "pause_all", "all"),
            tooltip="Pause all queues; if all are paused, resume them",
        ),
        Binding("s", "sort", "sort", tooltip="Sort by the next column; or click on a column head"),
        Binding("S", "reverse", "reverse the order", show=False),
    ]

    ON_SELECTED = ("open", "limit", "pause", "pause_all", "sort")

    def __init__(self) -> None:
        super().__init__()
        self._trails = DepthHistory()
        self._backlogs: dict[str, QueueStats] = {}
        self._forecasts: dict[str, Forecast] = {}
        self._sort, self._descending = "ready", True
        self._seen = False
        self._panel_height = 0

    def body(self) -> Iterable[Widget]:
        yield KeyedTable("queues", _heads(80), digit="3", empty=_EMPTY, id="queues-table")
        yield LineEditor(id="queues-editor")
        with Horizontal(id="queue-panel"):
            yield QueueChart(id="queue-chart")
            yield TextView("queue", "", id="queue-facts")

    def on_mount(self) -> None:
        """Restore the sort order of the last session."""
        saved = self.cockpit.preferences.get(_SORT, "")
        sort = saved.removeprefix("-")
        if sort in _SORTS:
            self._sort, self._descending = sort, saved.startswith("-")

    def on_resize(self, event: Resize) -> None:
        """Adapt the columns, the chart and the details to the size."""
        super().on_resize(event)
        width, height = event.size
        self.set_class(width >= _WITH_CHART[0] and height >= _WITH_CHART[1], "-charted")
        self.set_class(height < _WITH_FACTS, "-low")
        self._table.heads = _heads(width)
        self._draw()

    def current_query(self) -> QueuesQuery:
        return QueuesQuery()

    def show(self, seen: object) -> None:
        stats = cast("Sequence[QueueStats]", seen)
        self._seen = True
        self._backlogs = {each.info.name: each for each in stats}
        self._forecasts = {name: forecast(each, self._trails.of(each)) for name, each in self._backlogs.items()}
        self._draw()

    def show_snapshot(self, snapshot: DashboardSnapshot) -> None:
        self._trails.add(snapshot.overview)

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def _table(self) -> KeyedTable:
        return self.query_one("#queues-table", KeyedTable)

    @property
    def _selected(self) -> QueueStats | None:
        return self._backlogs.get(str(self._table.key))

    def _draw(self) -> None:
        if not self._seen:
            return
        table = self._table
        order: dict[str, Callable[[str], Any]] = {
            "ready": lambda name: (self._backlogs[name].info.pending, sum(self._backlogs[name].info.counts.values())),
            "oldest": lambda name: self._backlogs[name].oldest_wait or 0.0,
            "running": lambda name: self._backlogs[name].running,
            "done": lambda name: self._backlogs[name].total.completed,
            "forecast": lambda name: _urgency(self._forecasts[name]),
            "queue": lambda name: name,
        }
        names = sorted(sorted(self._backlogs), key=order[self._sort], reverse=self._descending)
        sizes = _Sizes.of(self._backlogs.values(), self.size.width)
        rows = [_row(self._backlogs[name], self._forecasts[name], sizes) for name in names]
        table.show(rows, sorted_by=self._sort, descending=self._descending)
        ready = sum(each.info.pending for each in self._backlogs.values())
        table.set_titles([(f"{number(len(names))} · {number(ready)} ready", "$quiet")] if names else [])
        self._divide_height(len(names))
        self._draw_details()

    def _divide_height(self, queues: int) -> None:
        """Give the details the height that the table does not need, within limits."""
        available = self.size.height - _FRAME
        remaining = available - queues - _TABLE
        height = max(14, min(remaining, available * 3 // 5)) if self.has_class("-charted") else max(7, min(remaining, 12))
        if height != self._panel_height:  # every assignment triggers a layout
            self._panel_height = height
            self.query_one("#queue-panel").styles.height = height

    def _draw_details(self) -> None:
        stats = self._selected
        self.query_one("#queue-panel").display = stats is not None and not self.has_class("-low")
        if stats is None:
            return
        name = stats.info.name
        view = self.query_one("#queue-facts", TextView)
        view.set_title(safe(name))
        view.show(facts(stats, self._forecasts[name]))
        self.query_one(QueueChart).show(stats, self._trails.of(stats))

    def on_keyed_table_moved(self) -> None:
        """Show the details of the newly selected queue."""
        self._draw_details()
        self.query_one("#queue-facts", TextView).scroll_home(animate=False)

    # -- keys ---------------------------------------------------------------------------------------

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Show the jobs of the queue."""
        self.cockpit.show_jobs(queue_filter(str(event.key)))

    def on_keyed_table_sort_requested(self, event: KeyedTable.SortRequested) -> None:
        """Sort by the clicked column; a second click reverses the order."""
        same = event.key == self._sort
        self._order(event.key, not self._descending if same else event.key not in _FIRST_ASCENDING)

    def action_sort(self) -> None:
        """Sort by the next column."""
        sort = _SORTS[(_SORTS.index(self._sort) + 1) % len(_SORTS)]
        self._order(sort, sort not in _FIRST_ASCENDING)

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self._order(self._sort, not self._descending)

    def _order(self, sort: str, descending: bool) -> None:
        self._sort, self._descending = sort, descending
        self.cockpit.preferences.put(_SORT, "-" * descending + sort)
        self._draw()

    @changes_queue
    def action_pause(self) -> None:
        """Pause or resume the selected queue."""
        if (stats := self._selected) is not None:
            self.cockpit.feed.toggle(stats.info.name)

    @changes_queue
    def action_pause_all(self) -> None:
        """Pause all queues, or resume all if all are paused."""
        self.cockpit.feed.toggle_all()

    @changes_queue
    def action_limit(self) -> None:
        """Edit the limits of the selected queue in a line below the table."""
        if (stats := self._selected) is None:
            return
        name, before = stats.info.name, stats.info.limits
        label = f"limits of {safe(name)}, e.g. {EXAMPLE} or none:" if self.size.width >= 100 else f"limits of {safe(name)}:"

        def save(text: str) -> None:
            limits = read_limits(text)
            if limits != before:
                self.cockpit.feed.run(lambda queue: change_limits(queue, name, limits, before))

        self.query_one(LineEditor).edit(label, format_limits(before), limits_problem, save)


# -- the table ------------------------------------------------------------------------------------


def _heads(width: int) -> tuple[TableColumn, ...]:
    """Return the columns for a screen of this width."""
    wide = width >= 100
    return (
        TableColumn("queue", "QUEUE", least=10, most=30 if wide else 16, sort=True),
        TableColumn("ready", "READY", right=True, sort=True),
        TableColumn("later", "LATER", right=True, drop=4),
        TableColumn("waiting", "WAITING", right=True, drop=6),
        TableColumn("oldest", "OLDEST", right=True, drop=1, sort=True),
        TableColumn("running", "RUNNING", least=9, sort=True),
        TableColumn("limits", "LIMITS", most=26, drop=7),
        TableColumn("forecast", "FORECAST", least=16 if wide else 12, most=36 if wide else 15, sort=True),
        TableColumn("done", "DONE", least=8, right=True, drop=5, sort=True),
        TableColumn("spark", "LAST 5 MIN" if wide else "5 MIN", least=10 if wide else 8, drop=3, grow=True),
    )


@record
class _Sizes:
    """Widths that the cells of a column share."""

    running: int
    bar: int
    long: bool

    @classmethod
    def of(cls, stats: Iterable[QueueStats], width: int) -> _Sizes:
        """Return the widths for a screen of this width."""
        return cls(max((len(_share(each)) for each in stats), default=0), 5 if width < 100 else 8, width >= 100)


def _share(stats: QueueStats) -> str:
    """Return running jobs of capacity; async handlers share threads, so they may exceed it."""
    return share_text(stats.running, stats.capacity) if stats.capacity else number(stats.running)


def _row(stats: QueueStats, forecast: Forecast, sizes: _Sizes) -> Row:
    info = stats.info
    counts = info.counts
    later = counts.get(State.SCHEDULED, 0) + counts.get(State.RETRYING, 0)
    waiting = counts.get(State.WAITING, 0)
    share = stats.running / stats.capacity if stats.capacity else 0.0
    outlook = forecast_text(forecast) if sizes.long or forecast.trend is not Trend.STALLED else forecast.trend.value
    return Row(
        info.name,
        (
            [(safe(info.name), "")],
            [(number(info.pending), "strong" if info.pending else "quiet")],
            [(number(later), "later" if later else "quiet")],
            [(number(waiting), "waiting")],
            [(age(stats.oldest_wait), "") if stats.oldest_wait is not None else ("—", "quiet")],
            [
                (bar(min(1.0, share), sizes.bar), "running" if stats.running else "line"),
                (" " + _share(stats).rjust(sizes.running), "" if stats.running else "quiet"),
            ],
            [(limits_text(info.limits) or "—", "quiet")],
            [("‖ " * info.paused + outlook, OUTLOOK_MEANING[forecast.trend])],
            [(rough_rate(stats.total.throughput), "") if stats.total.completed else ("—", "quiet")],
            lambda width: _spark(stats, width),
        ),
    )


def _spark(stats: QueueStats, width: int) -> StyledLine:
    return [(sparkline(done_rates(stats, width), width, IN_ROWS), "accent")]


def _urgency(forecast: Forecast) -> tuple[int, float]:
    return -_URGENT.index(forecast.trend), forecast.growth or forecast.empty_in or 0.0
