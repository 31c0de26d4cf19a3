"""The main screen: charts, queues and workers at a glance, and the table of jobs."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize

from ..feed.connection_status import ConnectionStatus
from ..feed.messages import DashboardSnapshot
from ..screen_registry import BY_NAME
from ..text.format import number
from ..text.sanitize import safe
from ..widgets.charts.dashboard_charts import Chart, LatencyChart, Sparks, ThroughputPanel
from ..widgets.chrome.header import Header
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.chrome.progress_line import ProgressLine
from ..widgets.chrome.state_tabs import StateTabs
from ..widgets.dashboard.queues import QueuesPanel
from ..widgets.dashboard.workers import WorkersPanel
from ..widgets.forms.line_editor import LineEditor
from ..widgets.job.preview import Preview
from ..widgets.table.columns import SORTS
from ..widgets.table.filter_bar import FilterBar
from ..widgets.table.job_table import JobTable
from .base import TooSmall
from .jobs_actions import JobsActions
from .jobs_bindings import KEYS

RANGES = (120.0, 600.0, 3600.0, 86400.0)
"""The time ranges of the charts, in seconds."""
WIDE = 160
"""The minimum width to dock a preview of the selected job on the right."""
CHARTS_FROM = (100, 30)
"""The minimum size to show charts; below it, one line of sparklines is shown."""
_SCREEN_OF = {
    "throughput": ("metrics", ""),
    "latency": ("metrics", "latency"),
    "queues": ("queues", ""),
    "workers": ("workers", ""),
}
"""The screen with the details of a panel, and the part of it to focus."""


class JobsScreen(JobsActions):
    """The main screen: header, charts, workers, jobs, key hints."""

    HELP_TITLE = "Jobs"
    PARTS = (
        *(
            Header,
            ThroughputPanel,
            LatencyChart,
            QueuesPanel,
            Sparks,
            WorkersPanel,
            StateTabs,
            JobTable,
            FilterBar,
            LineEditor,
            ProgressLine,
        ),
        Preview,
    )
    AUTO_FOCUS = "#table"
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, where: str, *, look_back: float = 600.0) -> None:
        super().__init__(look_back=look_back)
        self._where = where
        self._frozen_at: float | None = None
        self._has_problem = False
        self._workers_height = 0
        self._titles: tuple[Content, Content] | None = None
        self._reasons: tuple[str | None, ...] = ()

    def compose(self) -> ComposeResult:
        yield Header(self._where, readonly=self.cockpit.readonly, id="header")
        with Horizontal(id="charts"):
            yield ThroughputPanel(id="throughput")
            yield LatencyChart(id="latency")
            yield QueuesPanel(id="queues")
        yield Sparks(id="sparks")
        yield WorkersPanel(id="workers")
        with Horizontal(id="body"):
            with Vertical(id="jobs"):
                yield StateTabs(id="tabs")
                yield JobTable(id="table")
                yield FilterBar(id="filter")
                yield LineEditor(id="line-editor")
                yield ProgressLine(id="progress")
            yield Preview(id="preview")
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """Start the feed once all widgets are mounted."""
        self.table.where = self._where
        self.table.by_default = self.cockpit.by_default
        self.table.readonly = self.cockpit.readonly
        self.query_one(WorkersPanel).readonly = not self.cockpit.feed.can_run_jobs
        self.update_titles()
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        self.restore_preferences()
        self.request_view()
        self.cockpit.feed.start()

    # -- what is shown ----------------------------------------------------------------------------

    def show(self, snapshot: DashboardSnapshot) -> None:
        """Show a snapshot of the queue."""
        if not self.is_ready:
            return
        before, self.snapshot = self.snapshot, snapshot
        overview = snapshot.overview
        if self._frozen_at is not None:
            self.query_one(Header).show_frozen(overview.at - self._frozen_at)
        elif before is None or overview is not before.overview:
            self._show_overview(snapshot)
        self.table.show(snapshot.page, overview.at if self._frozen_at is None else self._frozen_at)
        self.query_one(Preview).show_job(self.table.job, overview.at, any_jobs=self.table.total > 0)
        self.show_filter()
        self.update_titles()

    def _show_overview(self, snapshot: DashboardSnapshot) -> None:
        overview = snapshot.overview
        self.query_one(Header).show(snapshot)
        if self._has_charts:
            self.query_one(ThroughputPanel).show(overview)
            self.query_one(LatencyChart).show(overview)
            self.query_one(QueuesPanel).show(overview)
        else:
            self.query_one(Sparks).show(overview)
        self.query_one(StateTabs).show(overview)
        workers = self.query_one(WorkersPanel)
        workers.show(overview, snapshot.local_worker)
        self._size_workers(workers)

    def _size_workers(self, workers: WorkersPanel) -> None:
        workers.set_class(not self._has_charts, "-one-line")
        limit = 1 if not self._has_charts else max(2, min(6, self.size.height // 8))
        frame = 2 if self._has_charts else 0
        height = min(limit, workers.lines_wanted) + frame
        if height != self._workers_height:  # every assignment triggers a layout
            self._workers_height = height
            workers.styles.height = height

    @property
    def _has_charts(self) -> bool:
        return self.size.width >= CHARTS_FROM[0] and self.size.height >= CHARTS_FROM[1]

    def on_resize(self, event: Resize) -> None:
        """Choose between charts and sparklines, and show or hide the preview."""
        super().on_resize(event)
        self.set_class(not self._has_charts, "-compact")
        self.set_class(event.size.width >= WIDE, "-wide")
        if self.snapshot is not None:
            self._show_overview(self.snapshot)
        self.call_after_refresh(self.request_view)

    def chart_slots(self) -> int:
        return max(8, self.query_one(ThroughputPanel).size.width if self._has_charts else 30)

    def show_connection_status(self, status: ConnectionStatus | None) -> None:
        super().show_connection_status(status)
        if self._has_problem != (status is not None):
            self._has_problem = status is not None
            if self.is_ready:
                self.update_titles()

    def update_titles(self) -> None:
        reasons = self.disabled_reasons()
        if reasons != self._reasons:
            self._reasons = reasons
            self.query_one(KeyHints).refresh()
        titles = (self._title_above(), self._title_below())
        if titles != self._titles:
            self._titles = titles
            jobs = self.query_one("#jobs")
            jobs.border_title, jobs.border_subtitle = titles

    def _title_above(self) -> Content:
        sort = "" if (self.view.sort, self.view.descending) == ("id", True) else f" · by {SORTS[self.view.sort]}"
        return Content.assemble(("⁵", "$quiet"), ("jobs", "bold"), (sort, "$quiet"))

    def _title_below(self) -> Content:
        page = self.snapshot.page if self.snapshot else None
        if page is not None and page.problem and not self._bar.display:
            return Content.assemble((f"✗ column {page.column + 1}: {page.problem}", "$error"))
        table = self.table
        pieces: list[tuple[str, str]] = []
        if self.view.filter and not self._bar.display:
            pieces.append((f"/{safe(self.view.filter)}  ", "$accent"))
        if page is not None and page.reading:
            pieces.append(("loading … ", "$quiet"))
        if table.marks:
            every = "all " * table.marks.everything
            pieces.append((f"{every}{number(table.marks.count(table.total))} marked · ", "$warning"))
        if table.arrived:
            pieces.append((f"▲ {number(table.arrived)} new · ", "$accent"))
        if table.live:
            live = [("● live · ", "$success")] * (self._frozen_at is None and not self._has_problem)
            if self.snapshot is not None:
                pieces += [*live, (f"{number(table.total)} job{'s' * (table.total != 1)}", "$quiet")]
        elif table.gone:
            pieces.append((f"job {table.chosen} is no longer in this list · {number(table.total)} jobs", "$warning"))
        else:
            pieces.append((f"{number(table.row + 1)} of {number(table.total)}", "$quiet"))
        return Content.assemble(*pieces)

    def on_screen_resume(self) -> None:
        """Query the jobs again when the screen becomes active."""
        if self.snapshot is not None:
            self.cockpit.feed.poll(None)
            self.request_view()

    def on_job_table_moved(self) -> None:
        """Request the rows that are now visible."""
        self.update_titles()
        self.request_view()
        if self.snapshot is not None:
            self.query_one(Preview).show_job(self.table.job, self.snapshot.overview.at, any_jobs=self.table.total > 0)

    def on_chart_range_requested(self, event: Chart.RangeRequested) -> None:
        """Switch to the next time range."""
        self.request_view(seconds=RANGES[(RANGES.index(self.view.seconds) + 1) % len(RANGES)])

    def action_panel(self, name: str) -> None:
        """Focus a panel; if it is focused or hidden, open the screen with its details."""
        panel = self.query_one(f"#{name}")
        if name == "table" or (panel.display and panel.region and not panel.has_focus):
            panel.focus()
            return
        screen, part = _SCREEN_OF[name]
        if screen in BY_NAME:
            self.cockpit.action_open_screen(screen, part)

    def action_freeze(self) -> None:
        """Freeze or unfreeze the view."""
        at = self.snapshot.overview.at if self.snapshot else None
        self._frozen_at = at if self._frozen_at is None else None
        self.cockpit.feed.freeze(self._frozen_at is not None)
        self.query_one(Header).show_frozen(0.0 if self._frozen_at is not None else None)
        self.update_titles()

    def action_back(self) -> None:
        """Stop a bulk action; else clear the marks, then the filter, then the cursor, then the tab."""
        table = self.table
        if self.stop_acting():
            return
        if not table.has_focus:
            table.focus()
        elif table.marks:
            table.action_clear_marks()
        elif self.view.filter:
            self.filter("")
        elif not table.release() and self.query_one(StateTabs).tab != "all":
            self.open_tab("all")
        self.update_titles()
