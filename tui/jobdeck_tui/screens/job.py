"""The job screen: lifecycle, arguments and result, attempts with tracebacks, live log, related jobs, history of the kind."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize

from jobdeck import Attempt, State

from ..feed.messages import Detail
from ..screen_registry import BY_NAME
from ..text.format import field_filter, schedule_name
from ..widgets.base.choice_bar import ChoiceBar, NumberedTabs
from ..widgets.base.text_view import TextView
from ..widgets.charts.kind_chart import KindChart
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.details import job_details
from ..widgets.forms.line_editor import LineEditor
from ..widgets.job.attempts_view import AttemptsView
from ..widgets.job.job_title import JobTitle
from ..widgets.job.lifecycle_view import LifecycleView
from ..widgets.job.log_view import LogView
from ..widgets.job.related import Related
from ..widgets.table.keyed_table import KeyedTable
from .base import TooSmall
from .job_actions import JobActions

SIDE_BY_SIDE = 110
"""The minimum width to show the panels side by side; below it, one is open at a time."""
PANELS = ("life", "data", "attempts", "log", "related", "history")


class JobScreen(JobActions):
    """The screen of one job, with its panels."""

    HELP_TITLE = "Job"
    PARTS = (JobTitle, NumberedTabs, LifecycleView, AttemptsView, LogView, Related, KindChart, KeyHints)
    AUTO_FOCUS = "#life"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,backspace", "back", "back", key_display="esc", tooltip="Return to the previous screen"),
        Binding("1", "panel('life')", "lifecycle", show=False, tooltip="Lifecycle: its steps, why it waits, its properties"),
        Binding("2", "panel('data')", "arguments and result", show=False, tooltip="Data: arguments and result"),
        Binding(
            "3", "panel('attempts')", "attempts", show=False, tooltip="Attempts: errors, tracebacks, the stack of a running one"
        ),
        Binding("4", "panel('log')", "log", show=False, tooltip="Log, live while the job runs"),
        Binding("5", "panel('related')", "related", show=False, tooltip="Related: parents, dependents, batch, schedule"),
        Binding("6", "panel('history')", "kind history", show=False, tooltip="History of its kind: run times and failures"),
        Binding("right,l,tab", "step_panel(1)", "panels", key_display="1…6", tooltip="Next panel"),
        Binding("left,h,shift+tab", "step_panel(-1)", "previous panel", show=False),
        Binding("slash", "search", "search", tooltip="Search the log, as you type"),
        Binding("n", "match(1)", "next match", show=False, tooltip="Next match in the log"),
        Binding("N", "match(-1)", "previous match", show=False, tooltip="Previous match in the log"),
        Binding("right_square_bracket", "attempt(1)", "older attempt", show=False, tooltip="Show the previous attempt"),
        Binding("left_square_bracket", "attempt(-1)", "newer attempt", show=False, tooltip="Show the next attempt"),
        Binding("J", "neighbor(1)", "next job", key_display="J K", tooltip="Next job in the job list"),
        Binding("K", "neighbor(-1)", "previous job", show=False, tooltip="Previous job in the job list"),
    ]

    def __init__(self, job_id: int) -> None:
        super().__init__(job_id)
        self._open = "life"
        self._last_log, self._last_attempt = 0, 1
        self._shown: tuple[object, object] | None = None
        self._columns = 0
        self._is_reused = False
        """Whether the screen has shown another job before; if so, the open panel stays open."""

    def compose(self) -> ComposeResult:
        title = JobTitle(self.job_id)
        title.readonly = self.cockpit.readonly
        yield title
        yield NumberedTabs([(str(digit), name) for digit, name in enumerate(PANELS, 1)], self._open, id="job-tabs")
        with Horizontal(id="job-panels"):
            with Vertical(id="job-left"):
                yield LifecycleView("life", "¹", id="life")
                yield TextView("arguments", "²", id="data")
                yield Related(digit="5", id="related")
                yield KindChart(id="history")
            with Vertical(id="job-right"):
                yield AttemptsView("attempts", "³", id="attempts")
                yield LogView("log", "⁴", id="log")
        yield LineEditor(id="log-search")
        yield KeyHints(id="hints")
        yield TooSmall()

    # -- what is shown ----------------------------------------------------------------------------

    def receive_detail(self, detail: Detail) -> None:
        """Show the latest state, if it is of this job."""
        if detail.job_id == self.job_id:
            self.show(detail)

    def show(self, detail: Detail) -> None:
        """Show a state of the job."""
        if not self.is_ready:
            return
        self._show(detail)
        self.update_hints()

    def _show(self, detail: Detail) -> None:
        first = self.last is None
        self.detail = detail
        self.query_one(JobTitle).show(detail)
        if detail.job is None:
            if first:
                self.query_one(LifecycleView).show([[("It no longer exists: it was deleted or pruned.", "warning")]])
            return
        self.last = detail
        self.query_one(LifecycleView).show_lifecycle(detail)
        self.query_one(AttemptsView).show_attempts(detail.attempts, detail.at, detail.stack)
        self._show_data(detail)
        self._show_log(detail)
        related = self.query_one(Related)
        related.show_links(detail)
        self.set_class(not related.rows, "-alone")
        self._chart.show_history(detail.history, detail.attempts, detail.at)
        self.query_one(NumberedTabs).open(self._open, self._tab_notes(detail, len(related.rows)))
        self.call_after_refresh(self._divide_height)
        if first and not self._is_reused:
            self.action_panel(_first_panel(detail))

    def disabled_reason(self, action: str) -> str | None:
        if action == "unfold" and not self.query_one(AttemptsView).unfolds:
            return "No traceback or stack to unfold"
        if action == "search" and not self._last_log:
            return f"Job {self.job_id} has no log to search"
        return super().disabled_reason(action)

    def _tab_notes(self, detail: Detail, related: int) -> dict[str, str]:
        live = detail.job is not None and detail.job.state is State.RUNNING
        log = "live" if live else "" if detail.logs else "empty"
        return {"attempts": str(len(detail.attempts)), "log": log, "related": str(related)}

    def _show_data(self, detail: Detail) -> None:
        """Show the arguments and the result; redraw only after a change, as they may be long."""
        job = detail.job
        assert job is not None
        if self._shown != (job.args_json, job.result_json):
            self._shown = (job.args_json, job.result_json)
            view = self._view("data")
            view.show(job_details.arguments(job))
            view.label = "arguments" if job.result_json is None else "arguments and result"
            view.set_title("")

    def _show_log(self, detail: Detail) -> None:
        """Append the lines logged since the last update."""
        new = [line for line in detail.logs if line.id > self._last_log]
        view = self.query_one(LogView)
        view.set_live(detail.job is not None and detail.job.state is State.RUNNING)
        if new and not self._last_log:
            cut: list[job_details.StyledLine] = [
                [("older lines are omitted; ", "quiet"), (f"jobdeck logs {self.job_id}", "accent")]
            ]
            before = 0 if len(detail.attempts) > 1 else 1
            view.show([*(cut if detail.log_cut else []), *job_details.log_lines(new, before)])
        elif new:
            view.extend(job_details.log_lines(new, self._last_attempt))
        if new:
            self._last_log, self._last_attempt = new[-1].id, new[-1].attempt
        if not (new or self._last_log):
            view.show([[("no log lines", "quiet")]])

    def _view(self, name: str) -> TextView:
        return self.query_one(f"#{name}", TextView)

    @property
    def attempt(self) -> Attempt | None:
        return self.query_one(AttemptsView).chosen

    # -- panels -----------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Open the first panel."""
        self._lay_out()

    def on_screen_resume(self) -> None:
        """Follow the job when the screen becomes active."""
        self._follow()

    def _follow(self) -> None:
        self._columns = self._chart.columns
        self.cockpit.feed.open_job(self.job_id, self._columns)

    def on_kind_chart_resized(self) -> None:
        """Query the history of the kind in as many slices as the chart has space for."""
        if self.is_ready and self.app.screen is self and self._chart.columns != self._columns:
            self._follow()

    @property
    def _chart(self) -> KindChart:
        return self.query_one(KindChart)

    def on_unmount(self) -> None:
        """Stop following jobs once the last job screen is closed; one action may close several."""
        if not any(isinstance(screen, JobScreen) and screen is not self for screen in self.app.screen_stack):
            self.cockpit.feed.open_job(None)

    def on_resize(self, event: Resize) -> None:
        """Show the panels side by side or one at a time."""
        super().on_resize(event)
        self.set_class(event.size.width >= SIDE_BY_SIDE, "-wide")
        self.call_after_refresh(self._divide_height)

    def _divide_height(self) -> None:
        """Give the kind's history the height that the lifecycle does not need, if the panels are side by side."""
        if self.is_ready and self.last is not None:
            life, left = self.query_one(LifecycleView), self.query_one("#job-left")
            others = [each for each in left.children if each.display and each not in (self._chart, life)]
            needed = life.virtual_size.height + life.gutter.height + sum(each.outer_size.height for each in others)
            self._chart.share(left.size.height - needed if self.has_class("-wide") else None)

    def _lay_out(self) -> None:
        for name in PANELS:
            panel = self.query_one(f"#{name}")
            panel.set_class(name == self._open, "-open")
        for side in ("left", "right"):
            holder = self.query_one(f"#job-{side}")
            holder.set_class(bool(holder.query(".-open")), "-holds")
        self.query_one(NumberedTabs).open(self._open)

    def action_panel(self, name: str) -> None:
        """Open a panel."""
        self._open = name
        self._lay_out()
        self.query_one(f"#{name}").focus()

    def action_step_panel(self, by: int) -> None:
        """Open the next or the previous panel."""
        wide, hidden = self.has_class("-wide"), set[str]()
        if wide and self.has_class("-alone"):
            hidden.add("related")
        if wide and not self._chart.display:
            hidden.add("history")
        shown = [name for name in PANELS if name not in hidden]
        at = shown.index(self._open) if self._open in shown else 0
        self.action_panel(shown[(at + by) % len(shown)])

    @on(ChoiceBar.Chosen, "#job-tabs")
    def open_clicked_panel(self, event: ChoiceBar.Chosen) -> None:
        """Open the panel that was clicked."""
        self.action_panel(event.value)

    def action_back(self) -> None:
        """Return to the previous screen."""
        self.cockpit.close_job()

    # -- attempts and log -------------------------------------------------------------------------

    def action_attempt(self, by: int) -> None:
        """Show the next or the previous attempt."""
        if self._open != "attempts":
            self.action_panel("attempts")
        self.query_one(AttemptsView).choose(by)

    def action_search(self) -> None:
        """Search the log while the user types."""
        if (reason := self.disabled_reason("search")) is not None:
            self.cockpit.notify_user(reason, failed=True)
            return
        if self._open != "log":
            self.action_panel("log")
        view = self.query_one(LogView)
        previous = view.search_text

        def check(text: str) -> str | None:
            return None if view.find(text) or not text else "not found in the log"

        def search(text: str) -> None:
            view.find(text)

        self.query_one(LineEditor).edit("search", previous, check, search, lambda: search(""))

    def action_match(self, by: int) -> None:
        """Go to the next or the previous match."""
        view = self.query_one(LogView)
        if not view.search_text:
            self.cockpit.notify_user("Press / to search the log, then n and N to go from match to match")
            return
        if self._open != "log":
            self.action_panel("log")
        view.next_match(by)

    def on_kind_chart_opened(self, event: KindChart.Opened) -> None:
        """Show the metrics of the kind."""
        self.cockpit.show_metrics("kind", event.history.kind, event.history.seconds)

    # -- other jobs -------------------------------------------------------------------------------

    def action_neighbor(self, by: int) -> None:
        """Show the next or the previous job of the job list."""
        job_id = self.cockpit.neighbor_of(self.job_id, by)
        if job_id is not None:
            self.show_other_job(job_id)

    def show_other_job(self, job_id: int) -> None:
        """Show another job instead of this one."""
        self.job_id, self.detail, self.last = job_id, None, None
        self._last_log, self._last_attempt, self._shown, self._is_reused = 0, 1, None, True
        self.query_one(JobTitle).switch_to(job_id)
        self.query_one(LogView).find("")
        self._follow()

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Open the selected related job, batch or schedule."""
        event.stop()
        assert isinstance(event.key, tuple)
        relation, which = event.key
        if relation == "job":
            self.cockpit.open_job(which)
        elif relation == "gone":
            self.cockpit.notify_user(f"Job {which} no longer exists: it was deleted or pruned", failed=True)
        elif relation == "batch":
            self.cockpit.show_jobs(f"batch:{which}")
        elif "schedules" in BY_NAME:
            self.cockpit.action_open_screen("schedules")
        elif self.job is not None:
            self.cockpit.show_jobs(field_filter("tag", f"schedule:{schedule_name(self.job)}"))


def _first_panel(detail: Detail) -> str:
    """Return the panel that is most likely of interest."""
    job = detail.job
    assert job is not None
    if job.state is State.FAILED or (job.state is State.RETRYING and detail.attempts):
        return "attempts"
    if job.state in (State.RUNNING, State.COMPLETED) and detail.logs:
        return "log"
    return "life"
