"""One job in full: its life, arguments and result, every attempt with its traceback, its log as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize

from jobdeck import Family, Job, State

from ..format import GLYPHS, state_and_reason
from ..messages import Detail
from ..text import safe
from ..widgets import telling
from ..widgets.hints import Hints
from ..widgets.lines import Piece, width_of
from ..widgets.lines_view import LinesView
from ..widgets.panel import Drawn
from .base import DeckScreen, TooSmall

SIDE_BY_SIDE = 110
"""From this width on the panels stand side by side; below, one is open at a time."""

_NAMED = 4
"""Of the jobs that it waits for, so many are named in the title."""


class JobTitle(Drawn):
    """The first lines: state, id, kind, error."""

    def __init__(self, job_id: int) -> None:
        super().__init__(id="job-title")
        self._job_id = job_id
        self._detail: Detail | None = None

    def show(self, detail: Detail) -> None:
        """Show this job."""
        self._detail = detail
        self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        if self._detail is None or self._detail.job is None:
            gone = "" if self._detail is None else " is gone: it was deleted or pruned"
            return [(f" job {self._job_id}", strong), (gone, self.style("warning"))] if y == 0 else []
        job = self._detail.job
        if y == 1:
            return [(" " + safe(job.error), self.style("error"))] if job.error else self._quiet_line(job, self._detail.family)
        left: list[Piece] = [
            (f" {GLYPHS[job.state]} {state_and_reason(job)}", self.state_style(job.state)),
            (f"  {job.id}", quiet),
            (f"  {safe(job.kind)}", strong),
        ]
        attempt = f"attempt {job.attempt}/{job.max_attempts} "
        for told in (f"{safe(job.queue)} · priority {job.priority} · {attempt}", attempt):
            right: list[Piece] = [(told, quiet)]
            blanks = width - width_of(left) - width_of(right)
            if blanks > 1:
                return [*left, (" " * blanks, quiet), *right]
        return left

    def _quiet_line(self, job: Job, family: Family) -> Sequence[Piece]:
        told = {
            State.PENDING: "ready: the next free worker thread takes it, higher priorities first",
            State.SCHEDULED: "due later",
            State.WAITING: f"waits for {_jobs(family.waits_for)} to complete",
            State.RUNNING: "running; x asks it to stop",
            State.COMPLETED: "done",
            State.CANCELLED: "cancelled; r runs it again",
        }
        return [(" " + told.get(job.state, ""), self.style("quiet"))]


def _jobs(ids: Sequence[int]) -> str:
    """`job 3`, `jobs 3, 4`, `jobs 3, 4 and 10 others`."""
    named, rest = ids[:_NAMED], len(ids) - _NAMED
    others = f" and {rest:,} other{'s' * (rest > 1)}" if rest > 0 else ""
    return f"job{'s' * (len(ids) != 1)} {', '.join(map(str, named))}{others}"


class JobScreen(DeckScreen):
    """Opened with enter, left with escape."""

    HELP_TITLE = "Job"
    PARTS = (JobTitle,)
    AUTO_FOCUS = "#attempts"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,backspace", "back", "back", key_display="esc"),
        Binding("1", "panel('facts')", "life and arguments", show=False),
        Binding("2", "panel('attempts')", "attempts", show=False),
        Binding("3", "panel('log')", "log", show=False),
        Binding("right,l,tab", "turn(1)", "panels", key_display="1 2 3", tooltip="Next panel"),
        Binding("left,h,shift+tab", "turn(-1)", "previous panel", show=False),
        Binding("r", "retry", "retry", tooltip="Run it again, or now"),
        Binding("x", "cancel", "cancel", tooltip="Cancel it; ask it to stop if it runs"),
        Binding("plus,equals_sign", "priority(1)", "priority", key_display="+ -"),
        Binding("minus", "priority(-1)", "lower the priority", show=False),
        Binding("d", "duplicate", "duplicate", tooltip="Open the form of a new job, filled from this one"),
        Binding("delete,D", "delete", "delete", show=False, tooltip="Remove it with log and history; z brings it back"),
        Binding("p", "pause", "pause its queue", show=False, tooltip="Pause or resume the job's queue"),
        Binding("w", "why", "why", tooltip="Why is it not running? Every condition, checked now"),
        Binding("z", "undo", "undo", tooltip="Take back what you did last: an act on jobs, or a pause"),
        Binding("Z", "redo", "redo", show=False, tooltip="Do again what you have undone last"),
        Binding("y", "copy_id", "copy the id", show=False),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command line that enqueues it again"),
    ]
    _PANELS = ("facts", "attempts", "log")

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self.detail: Detail | None = None
        """What is shown."""
        self._open = "attempts"
        self._last_log, self._last_attempt = 0, 1

    def compose(self) -> ComposeResult:
        yield JobTitle(self.job_id)
        with Container(id="job-panels"):
            yield LinesView("life and arguments", "¹", id="facts")
            yield LinesView("attempts", "²", id="attempts")
            yield LinesView("log", "³", follow=True, id="log")
        yield Hints(id="hints")
        yield TooSmall()

    def show(self, detail: Detail) -> None:
        """Show this moment."""
        if not self.whole or len(self.query(LinesView)) < len(self._PANELS):
            return
        first = self.detail is None
        self.detail = detail
        self.query_one(JobTitle).show(detail)
        job = detail.job
        if job is None:
            return
        facts = [*telling.life(job, detail.at, detail.aged), *telling.family(detail.family)]
        facts += [[], [("arguments", "strong")], *telling.arguments(job)]
        self._view("facts").show(facts)
        self._view("attempts").show(telling.attempts(detail.attempts, detail.at))
        self._view("attempts").titled(str(len(detail.attempts)))
        self._show_log(detail)
        self._view("log").titled("live" if job.state is State.RUNNING else "")
        if first and job.state in (State.RUNNING, State.COMPLETED) and detail.logs:
            self.action_panel("log")
        elif first and not detail.attempts:
            self.action_panel("facts")

    def _show_log(self, detail: Detail) -> None:
        """Add what was logged since the last look."""
        news = [line for line in detail.logs if line.id > self._last_log]
        view = self._view("log")
        if news and not self._last_log:
            view.show(telling.log(news))
        elif news:
            view.extend(telling.log(news, self._last_attempt))
        if news:
            self._last_log, self._last_attempt = news[-1].id, news[-1].attempt
        if not (news or self._last_log):
            view.show([[("nothing was logged", "quiet")]])

    def _view(self, name: str) -> LinesView:
        return self.query_one(f"#{name}", LinesView)

    def on_mount(self) -> None:
        """Follow the job."""
        self.action_panel(self._open)

    def on_resize(self, event: Resize) -> None:
        """Side by side, or one at a time."""
        super().on_resize(event)
        self.set_class(event.size.width >= SIDE_BY_SIDE, "-wide")

    def action_panel(self, name: str) -> None:
        """Open a panel."""
        self._open = name
        for each in self._PANELS:
            self._view(each).set_class(each == name, "-open")
        self._view(name).focus()

    def action_turn(self, by: int) -> None:
        """Open the next panel."""
        self.action_panel(self._PANELS[(self._PANELS.index(self._open) + by) % len(self._PANELS)])

    def action_back(self) -> None:
        """Back to the jobs."""
        self.cockpit.close_job()

    def action_retry(self) -> None:
        """Retry it."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.retry([self.job_id])

    def action_cancel(self) -> None:
        """Cancel it."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.cancel([self.job_id])

    def action_priority(self, by: int) -> None:
        """Change its priority."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.reprioritise([self.job_id], by)

    def action_duplicate(self) -> None:
        """Enqueue one like it."""
        if not self.cockpit.refuse_readonly() and self.detail and self.detail.job:
            self.cockpit.new_job(self.detail.job)

    def action_delete(self) -> None:
        """Delete it; it can be brought back."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.delete([self.job_id])

    def action_undo(self) -> None:
        """Take back the newest act, of this job or any."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Do again what was undone last."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()

    def action_pause(self) -> None:
        """Pause or resume its queue."""
        if not self.cockpit.refuse_readonly() and self.detail and self.detail.job:
            self.cockpit.feed.toggle(self.detail.job.queue)

    def action_why(self) -> None:
        """Say why it does not run."""
        self.cockpit.explain_job(self.job_id)

    def action_copy_id(self) -> None:
        """Copy its id."""
        self.cockpit.copy(str(self.job_id), f"id {self.job_id}")

    def action_copy_command(self) -> None:
        """Copy the command line that enqueues it again."""
        if self.detail and self.detail.job:
            self.cockpit.copy_command(self.detail.job)
