"""The main screen: the whole queue at a glance, and every job within reach."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input

from jobdeck import Job

from ..format import number, queue_filter
from ..messages import Deck, View
from ..rooms import BY_NAME
from ..text import safe
from ..widgets.charts import Chart, LatencyChart, Sparks, Throughput
from ..widgets.filter_bar import FilterBar
from ..widgets.header import Header
from ..widgets.hints import Hints
from ..widgets.job_table import JobTable
from ..widgets.preview import Preview
from ..widgets.queues import Queues
from ..widgets.tabs import StateTabs
from ..widgets.workers import Workers
from .base import DeckScreen, TooSmall
from .confirm import ConfirmScreen
from .room import goings

RANGES = (120.0, 600.0, 3600.0, 86400.0)
"""Seconds: how far the charts can look back."""
SORTS = ("id", "state", "kind", "queue", "priority", "attempt", "took", "error")
_DELETE_MORE = "z brings them back, each with the newest part of its log."
ASK_FROM = 20
"""More jobs than this are not cancelled without a question."""
WIDE = 160
"""From this width on a preview of the chosen job is docked on the right."""
CHARTS_FROM = (100, 30)
"""From this size on there are charts; below, one line of sparklines."""


_ROOM_OF = {
    "throughput": ("metrics", ""),
    "latency": ("metrics", "latency"),
    "queues": ("queues", ""),
    "workers": ("workers", ""),
}
"""Which screen tells more of a panel, and which part of it."""


class JobsScreen(DeckScreen):
    """Header, charts, workers, jobs, hints."""

    HELP_TITLE = "Jobs"
    PARTS = (Header, Throughput, LatencyChart, Queues, Sparks, Workers, StateTabs, JobTable, FilterBar, Preview)
    AUTO_FOCUS = "#table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "retry", tooltip="Run final jobs again; scheduled and retrying jobs now"),
        Binding("x", "cancel", "cancel", tooltip="Cancel queued jobs; ask running ones to stop"),
        Binding("plus,equals_sign", "priority(1)", "priority", key_display="+ -", tooltip="Raise the priority by one"),
        Binding("minus", "priority(-1)", "lower the priority", show=False),
        Binding("n", "new", "new", tooltip="Enqueue a job with a form made from its kind"),
        Binding("slash", "filter", "filter", tooltip="Filter as you type; enter keeps, esc clears"),
        Binding("p", "pause", "pause", tooltip="Pause or resume the queue of the chosen job"),
        Binding("z", "undo", "undo", tooltip="Take back what you did last: an act on jobs, or a pause"),
        Binding("Z", "redo", "redo", show=False, tooltip="Do again what you have undone last"),
        Binding("s", "sort", "sort", show=False, tooltip="Sort by the next column"),
        Binding("S", "reverse", "turn the order round", show=False),
        Binding("left,h", "tab(-1)", "tab to the left", show=False),
        Binding("right,l", "tab(1)", "tab to the right", show=False),
        Binding("d", "duplicate", "duplicate and edit", show=False),
        Binding("delete,D", "delete", "delete", show=False, tooltip="Remove jobs that are not running; z brings them back"),
        Binding("f", "freeze", "freeze the view", show=False, tooltip="Hold the view still, its age shown"),
        Binding("w", "why", "why", show=False, tooltip="Why is this job not running? Every condition, checked now"),
        Binding("y", "copy_id", "copy the id", show=False),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command line that enqueues it again"),
        Binding("less_than_sign", "resize(-1)", "fewer threads", show=False, tooltip="One worker thread less in here"),
        Binding("greater_than_sign", "resize(1)", "more threads", show=False, tooltip="One worker thread more in here"),
        Binding(
            "1", "panel('throughput')", "throughput", show=False, tooltip="The panel of throughput; once more for its screen"
        ),
        Binding("2", "panel('latency')", "latency", show=False, tooltip="The panel of latency; once more for its screen"),
        Binding("3", "panel('queues')", "queues", show=False, tooltip="The panel of queues; once more for its screen"),
        Binding("4", "panel('workers')", "workers", show=False, tooltip="The panel of workers; once more for its screen"),
        Binding("5", "panel('table')", "jobs", show=False),
        *goings(above="5"),
        Binding("escape", "back", "back to live", show=False, tooltip="Marks, then the filter, then the cursor are let go"),
        Binding("q", "app.leave", "quit"),
    ]

    def __init__(self, where: str, *, look_back: float = 600.0) -> None:
        super().__init__()
        self._where = where
        self._view = View(seconds=look_back)
        self.deck: Deck | None = None
        """What is shown."""
        self._frozen_at: float | None = None
        self._workers_height = 0
        self._titles: tuple[Content, Content] | None = None

    def compose(self) -> ComposeResult:
        yield Header(self._where, id="header")
        with Horizontal(id="charts"):
            yield Throughput(id="throughput")
            yield LatencyChart(id="latency")
            yield Queues(id="queues")
        yield Sparks(id="sparks")
        yield Workers(id="workers")
        with Horizontal(id="body"):
            with Vertical(id="jobs"):
                yield StateTabs(id="tabs")
                yield JobTable(id="table")
                yield FilterBar(id="filter")
            yield Preview(id="preview")
        yield Hints(id="hints")
        yield TooSmall()

    def on_mount(self) -> None:
        """Begin to look once everything is in its place."""
        self.table.where = self._where
        self.table.by_default = self.cockpit.by_default
        self.table.readonly = self.cockpit.readonly
        self._title()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._look()
        self.cockpit.feed.start()

    # -- what is shown ----------------------------------------------------------------------------

    @property
    def table(self) -> JobTable:
        """The job table."""
        return self.query_one(JobTable)

    def show(self, deck: Deck) -> None:
        """Show this moment."""
        if not self.whole:
            return
        before, self.deck = self.deck, deck
        overview = deck.overview
        if self._frozen_at is not None:
            self.query_one(Header).frozen(overview.at - self._frozen_at)
        elif before is None or overview is not before.overview:
            self._show_overview(deck)
        self.table.show(deck.page, overview.at if self._frozen_at is None else self._frozen_at)
        self.query_one(Preview).show_job(self.table.job, overview.at)
        self._title()

    def _show_overview(self, deck: Deck) -> None:
        overview = deck.overview
        self.query_one(Header).show(deck)
        if self._has_charts:
            self.query_one(Throughput).show(overview)
            self.query_one(LatencyChart).show(overview)
            self.query_one(Queues).show(overview)
        else:
            self.query_one(Sparks).show(overview)
        self.query_one(StateTabs).show(overview)
        workers = self.query_one(Workers)
        workers.show(overview, deck.pool)
        self._size_workers(workers)
        self.query_one(FilterBar).learn(overview, (kind.name for kind in self.cockpit.kinds))

    def _size_workers(self, workers: Workers) -> None:
        workers.set_class(not self._has_charts, "-one-line")
        most = 1 if not self._has_charts else max(2, min(6, self.size.height // 8))
        frame = 2 if self._has_charts else 0
        height = min(most, workers.lines_wanted) + frame
        if height != self._workers_height:  # each setting lays the screen out anew
            self._workers_height = height
            workers.styles.height = height

    @property
    def _has_charts(self) -> bool:
        return self.size.width >= CHARTS_FROM[0] and self.size.height >= CHARTS_FROM[1]

    def on_resize(self, event: Resize) -> None:
        """Charts or sparklines; with or without the preview."""
        super().on_resize(event)
        self.set_class(not self._has_charts, "-compact")
        self.set_class(event.size.width >= WIDE, "-wide")
        if self.deck is not None:
            self._show_overview(self.deck)
        self.call_after_refresh(self._look)

    def _title(self) -> None:
        titles = (self._title_above(), self._title_below())
        if titles != self._titles:
            self._titles = titles
            jobs = self.query_one("#jobs")
            jobs.border_title, jobs.border_subtitle = titles

    def _title_above(self) -> Content:
        sort = "" if (self._view.sort, self._view.descending) == ("id", True) else f" · by {self._view.sort}"
        return Content.assemble(("⁵", "$quiet"), ("jobs", "bold"), (sort, "$quiet"))

    def _title_below(self) -> Content:
        page = self.deck.page if self.deck else None
        if page is not None and page.problem:
            return Content.assemble((f"✗ column {page.column + 1}: {page.problem}", "$error"))
        table = self.table
        pieces: list[tuple[str, str]] = []
        if self._view.filter and not self.query_one(FilterBar).display:
            pieces.append((f"/{safe(self._view.filter)}  ", "$accent"))
        if table.marks:
            pieces.append((f"{number(len(table.marks))} marked · ", "$warning"))
        if table.arrived:
            pieces.append((f"▲ {number(table.arrived)} new · ", "$accent"))
        if table.live:
            pieces += [("● live · ", "$success"), (f"{number(table.total)} job{'s' * (table.total != 1)}", "$quiet")]
        elif table.gone:
            pieces.append((f"job {table.chosen} has left this list · {number(table.total)} jobs", "$warning"))
        else:
            pieces.append((f"{number(table.row + 1)} of {number(table.total)}", "$quiet"))
        return Content.assemble(*pieces)

    def on_screen_resume(self) -> None:
        """Look at the jobs while in front."""
        if self.deck is not None:
            self.cockpit.feed.watch(None)
            self._look()

    # -- what is looked at ------------------------------------------------------------------------

    def _look(self, **changes: object) -> None:
        chart = self.query_one(Throughput)
        slots = max(8, chart.size.width if self._has_charts else 30)
        table = self.table
        self._view = replace(self._view, top=table.top, rows=table.rows, slots=slots, **changes)  # type: ignore[arg-type]
        self.cockpit.feed.look(self._view)

    def on_job_table_moved(self) -> None:
        """Ask for the rows that are on the screen now."""
        self._title()
        self._look()
        if self.deck is not None:
            self.query_one(Preview).show_job(self.table.job, self.deck.overview.at)

    def on_job_table_opened(self, event: JobTable.Opened) -> None:
        """Open the job."""
        self.cockpit.open_job(event.job_id)

    def on_workers_opened(self, event: Workers.Opened) -> None:
        """Open the job that a thread runs."""
        self.cockpit.open_job(event.job_id)

    def on_job_table_sort_asked(self, event: JobTable.SortAsked) -> None:
        """Sort by the column whose head was clicked; once more turns the order round."""
        sort = "id" if event.sort == "age" else event.sort
        self._sort(sort, not self._view.descending if sort == self._view.sort else True)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sort(SORTS[(SORTS.index(self._view.sort) + 1) % len(SORTS)], True)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._sort(self._view.sort, not self._view.descending)

    def _sort(self, sort: str, descending: bool) -> None:
        self._look(sort=sort, descending=descending)
        self._title()

    def on_state_tabs_chosen(self, event: StateTabs.Chosen) -> None:
        """Open the tab that was clicked."""
        self._open_tab(event.tab)

    def on_header_chosen(self, event: Header.Chosen) -> None:
        """Open the tab of the count that was clicked."""
        self._open_tab(event.state.value)

    def action_tab(self, by: int) -> None:
        """Open the next tab."""
        self._open_tab(self.query_one(StateTabs).after(by))

    def _open_tab(self, tab: str) -> None:
        self.query_one(StateTabs).open(tab)
        self.table.marks.clear()
        self._look(tab=tab)

    def on_queues_chosen(self, event: Queues.Chosen) -> None:
        """Show the jobs of the queue."""
        self.narrow(queue_filter(event.name))

    def on_chart_range_asked(self, event: Chart.RangeAsked) -> None:
        """Look back further, or less far again."""
        self._look(seconds=RANGES[(RANGES.index(self._view.seconds) + 1) % len(RANGES)])

    def action_panel(self, name: str) -> None:
        """Go to a panel; from there, or where there is no room for it, to the screen that tells more of it."""
        panel = self.query_one(f"#{name}")
        if name == "table" or (panel.display and panel.region and not panel.has_focus):
            panel.focus()
            return
        room, part = _ROOM_OF[name]
        if room in BY_NAME:
            self.cockpit.action_room(room, part)

    def action_freeze(self) -> None:
        """Hold the view still, or let it go."""
        at = self.deck.overview.at if self.deck else None
        self._frozen_at = at if self._frozen_at is None else None
        self.cockpit.feed.freeze(self._frozen_at is not None)
        self.query_one(Header).frozen(0.0 if self._frozen_at is not None else None)

    # -- the filter -------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type a filter."""
        bar = self.query_one(FilterBar)
        bar.value = self._view.filter
        bar.display = True
        bar.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if isinstance(event.input, FilterBar) and event.input.display:
            self._look(filter=event.value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        self._leave_filter()

    def on_filter_bar_cleared(self) -> None:
        """Show all jobs again."""
        self._leave_filter()
        self._filter("")

    def narrow(self, text: str) -> None:
        """Show the jobs that match a filter, of every state."""
        self._leave_filter()
        self._open_tab("all")
        self._filter(text)

    def _filter(self, text: str) -> None:
        self.table.marks.clear()
        self._look(filter=text)
        self._title()

    def _leave_filter(self) -> None:
        self.query_one(FilterBar).display = False
        self.table.focus()
        self._title()

    def action_back(self) -> None:
        """Let go of the marks, then of the filter, then of the cursor."""
        table = self.table
        if not table.has_focus:
            table.focus()
        elif table.marks:
            table.action_clear_marks()
        elif self._view.filter:
            self._filter("")
        elif not table.release() and self.query_one(StateTabs).tab != "all":
            self._open_tab("all")
        self._title()

    # -- acts -------------------------------------------------------------------------------------

    def _targets(self) -> list[int]:
        if self.cockpit.refuse_readonly():
            return []
        targets = self.table.targets
        if not targets:
            self.cockpit.tell("Choose a job first: j or ↓, or click on it", failed=True)
        return targets

    def action_retry(self) -> None:
        """Retry the marked jobs, or the chosen one."""
        if targets := self._targets():
            self.cockpit.feed.retry(targets)
            self.table.action_clear_marks()

    def action_cancel(self) -> None:
        """Cancel the marked jobs, or the chosen one."""
        if not (targets := self._targets()):
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.cockpit.feed.cancel(targets)
                self.table.action_clear_marks()

        if len(targets) <= ASK_FROM:
            answered(True)
            return
        what = f"{number(len(targets))} jobs"
        question = f"Cancel {what}?"
        self.app.push_screen(ConfirmScreen(question, "Those that run are asked to stop.", f"Cancel {what}"), answered)

    def action_priority(self, by: int) -> None:
        """Change the priority of the marked jobs, or of the chosen one. Marks stay: it is often pressed again."""
        if targets := self._targets():
            self.cockpit.feed.reprioritise(targets, by)

    def action_delete(self) -> None:
        """Delete the chosen job, or the marked ones after a question."""
        if not (targets := self._targets()):
            return
        what = f"{number(len(targets))} jobs"

        def answered(yes: bool | None) -> None:
            if yes:
                self.cockpit.feed.delete(targets)
                self.table.action_clear_marks()

        if len(targets) == 1:
            answered(True)
            return
        question = f"Delete {what}, with log and history?"
        self.app.push_screen(ConfirmScreen(question, _DELETE_MORE, f"Delete {what}"), answered)

    def action_pause(self) -> None:
        """Pause or resume the queue of the chosen job."""
        if self.cockpit.refuse_readonly():
            return
        job = self.table.job
        if job is None:
            self.cockpit.tell("Choose a job to pause its queue, or press 3 and choose a queue", failed=True)
        else:
            self.cockpit.feed.toggle(job.queue)

    def on_queues_pause_asked(self, event: Queues.PauseAsked) -> None:
        """Pause or resume the queue that is chosen in its panel."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.toggle(event.name)

    def action_undo(self) -> None:
        """Take back the newest act."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Do again what was undone last."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()

    def action_resize(self, by: int) -> None:
        """Change how many worker threads this process has."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.resize(by)

    def action_new(self) -> None:
        """Enqueue a job."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.new_job()

    def action_duplicate(self) -> None:
        """Open the form of a new job, filled from the chosen one."""
        if self.cockpit.refuse_readonly():
            return
        if (job := self._chosen()) is not None:
            self.cockpit.new_job(job)

    def action_why(self) -> None:
        """Say why the chosen job does not run."""
        if (job := self._chosen()) is not None:
            self.cockpit.explain_job(job.id)

    def action_copy_id(self) -> None:
        """Copy the id of the chosen job."""
        if (job := self._chosen()) is not None:
            self.cockpit.copy(str(job.id), f"id {job.id}")

    def action_copy_command(self) -> None:
        """Copy the command line that enqueues the chosen job again."""
        if (job := self._chosen()) is not None:
            self.cockpit.copy_command(job)

    def _chosen(self) -> Job | None:
        job = self.table.job
        if job is None:
            self.cockpit.tell("Choose a job first: j or ↓, or click on it", failed=True)
        return job
