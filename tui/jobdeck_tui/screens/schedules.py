"""The schedules screen: every schedule with its time in plain words, its next ticks and the results of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widget import Widget

from jobdeck import Queue, Schedule

from ..app_base import changes_queue
from ..feed.queries.schedules import ScheduleData, SchedulesData, SchedulesQuery
from ..forms.cli_command import schedule_command
from ..text.format import field_filter, number
from ..text.sanitize import safe
from ..widgets.base.styled_text import StyledLine, without_key
from ..widgets.base.text_view import TextView
from ..widgets.details.schedule_details import HISTORY_HEADS, NARROW, count_by_state, heads, history_row, row_of, schedule_facts
from ..widgets.table.keyed_table import KeyedTable
from .confirm import ConfirmScreen
from .view_screen import ViewScreen

_EMPTY: list[StyledLine] = [
    [("  No schedules yet.", "strong")],
    [("  A schedule enqueues a job periodically:", "quiet")],
    [("  every weekday at 07:30, on the last day of the month, every 90 seconds.", "quiet")],
    [],
    [("  n", "accent"), ("   creates one with a form", "quiet")],
    [("  jobdeck schedule add nightly '0 3 * * *' --shell ./backup.sh", "accent"), ("   in a shell", "quiet")],
]
_NO_JOBS: StyledLine = [("  No jobs yet; ", "quiet"), ("R", "accent"), (" enqueues one.", "quiet")]
_DELETE_MORE = "It enqueues no more jobs; existing jobs stay. z undoes it."


class ScheduleTable(KeyedTable):
    """The table of schedules; enter edits one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "edit", tooltip="Edit the selected schedule")]

    @changes_queue
    def action_open(self) -> None:
        """Edit the selected schedule."""
        super().action_open()


class HistoryTable(KeyedTable):
    """The newest jobs of the selected schedule; enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "open the job", tooltip="Open the selected job")]


class SchedulesScreen(ViewScreen):
    """The table of schedules, and the details and newest jobs of the selected one."""

    HELP_TITLE = "Schedules"
    SCREEN_NAME = "schedules"
    AUTO_FOCUS = "#schedules"
    PARTS = (*ViewScreen.PARTS, ScheduleTable, TextView, HistoryTable)
    ON_SELECTED = ("open", "edit", "pause", "run", "jobs", "delete")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", tooltip="Create a schedule"),
        Binding("e", "edit", "edit", tooltip="Edit the selected schedule"),
        Binding("p", "pause", "pause/resume", tooltip="Pause or resume the selected schedule"),
        Binding("R", "run", "run now", tooltip="Enqueue its job now, even if paused; its ticks do not change"),
        Binding("o", "jobs", "jobs", tooltip="Show its jobs on the main screen"),
        Binding("delete,D", "delete", "delete", key_display="D", tooltip="Delete the selected schedule; its jobs stay"),
        Binding("Y", "copy_command", "copy the command", show=False, tooltip="Copy the command that recreates it"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._seen: SchedulesData | None = None

    def body(self) -> Iterable[Widget]:
        readonly = self.cockpit.readonly
        empty = without_key(_EMPTY, "n") if readonly else _EMPTY
        yield ScheduleTable("schedules", heads(NARROW), digit="8", empty=empty, id="schedules")
        with Horizontal(id="schedule-parts"):
            yield TextView("schedule", "", id="schedule-facts")
            yield HistoryTable(
                "history",
                HISTORY_HEADS,
                empty=[[("  No jobs yet", "quiet")]] if readonly else [_NO_JOBS],
                id="schedule-history",
            )

    def on_resize(self, event: Resize) -> None:
        """Adapt the layout to the size."""
        super().on_resize(event)
        self.set_class(event.size.width < NARROW, "-narrow")
        self.set_class(event.size.height < 20, "-short")
        self.set_class(event.size.height >= 36, "-tall")
        self.set_class(event.size.height >= 54, "-huge")
        if self._seen is not None and self.is_ready:
            self.show(self._seen)

    # -- what is shown ----------------------------------------------------------------------------

    def current_query(self) -> SchedulesQuery:
        return SchedulesQuery()

    def show(self, seen: object) -> None:
        self._seen = cast("SchedulesData", seen)
        at, schedules = self._seen.at, self._seen.schedules
        table = self.query_one(ScheduleTable)
        table.heads = heads(self.size.width)
        table.show([row_of(each, at, self.size.width) for each in schedules])
        paused = sum(each.schedule.paused for each in schedules)
        table.set_titles(
            [(number(len(schedules)), "$quiet")] if schedules else (), [(f"{number(paused)} paused", "$warning")] * bool(paused)
        )
        self.query_one("#schedule-parts").display = bool(schedules)
        self._show_details()

    def _show_details(self) -> None:
        chosen = self.chosen
        if chosen is None or self._seen is None:
            return
        at = self._seen.at
        facts, history = self.query_one(TextView), self.query_one(HistoryTable)
        facts.set_title(safe(chosen.schedule.name))
        facts.show(schedule_facts(chosen, at, narrow=self.size.width < NARROW))
        history.show([history_row(job, at) for job in chosen.history])
        if not history.has_focus:
            history.action_edge(-1)  # keeps the cursor on the newest job
        history.set_titles([(safe(chosen.schedule.name), "$quiet")], [(count_by_state(chosen.history), "$quiet")])

    @property
    def chosen(self) -> ScheduleData | None:
        """The selected schedule."""
        key = self.query_one(ScheduleTable).key
        schedules = self._seen.schedules if self._seen is not None else ()
        return next((each for each in schedules if each.schedule.name == key), None)

    def on_keyed_table_moved(self, event: KeyedTable.Moved) -> None:
        """Show the details of the newly selected schedule."""
        if isinstance(event.table, ScheduleTable):
            self._show_details()

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Edit the schedule, or open the job."""
        if isinstance(event.table, HistoryTable):
            self.cockpit.open_job(cast("int", event.key))
        else:
            self.action_edit()

    # -- actions ----------------------------------------------------------------------------------

    def _target(self) -> Schedule | None:
        """Return the selected schedule; show a toast if there is none."""
        chosen = self.chosen
        if chosen is None:
            self.cockpit.notify_user("No schedules yet; press n to create one", failed=True)
            return None
        return chosen.schedule

    @changes_queue
    def action_new(self) -> None:
        """Open the form for a new schedule."""
        self.cockpit.new_schedule()

    @changes_queue
    def action_edit(self) -> None:
        """Open the form of the selected schedule."""
        if (schedule := self._target()) is not None:
            self.cockpit.edit_schedule(schedule)

    @changes_queue
    def action_pause(self) -> None:
        """Pause the selected schedule, or resume it if paused."""
        if (schedule := self._target()) is not None:
            self.cockpit.feed.run(_toggle(schedule.name))

    @changes_queue
    def action_run(self) -> None:
        """Enqueue a job of the selected schedule now."""
        if (schedule := self._target()) is not None:
            self.cockpit.feed.run(_run(schedule.name))

    @changes_queue
    def action_delete(self) -> None:
        """Delete the selected schedule after confirmation."""
        if (schedule := self._target()) is None:
            return
        name = schedule.name

        def delete_if(confirmed: bool | None) -> None:
            if confirmed:
                self.cockpit.feed.run(_delete(name))

        self.app.push_screen(ConfirmScreen(f"Delete schedule {safe(name)}?", _DELETE_MORE, "Delete"), delete_if)

    def action_jobs(self) -> None:
        """Show the jobs of the selected schedule."""
        if (chosen := self.chosen) is not None:
            self.cockpit.show_jobs(field_filter("schedule", chosen.schedule.name))

    def action_copy_command(self) -> None:
        """Copy the command that recreates the selected schedule."""
        if (chosen := self.chosen) is not None:
            self.cockpit.copy(schedule_command(chosen.schedule), "the command that recreates the schedule")


def _toggle(name: str) -> Callable[[Queue], str]:
    def toggle(queue: Queue) -> str:
        if queue.schedules.resume(name):
            return f"Schedule {safe(name)} resumed · z to undo"
        queue.schedules.pause(name)
        return f"Schedule {safe(name)} paused: it enqueues no jobs · z to undo"

    return toggle


def _run(name: str) -> Callable[[Queue], str]:
    def run(queue: Queue) -> str:
        job = queue.schedules.run(name)
        return f"Job {job.id} {safe(job.kind)} enqueued by schedule {safe(name)}"

    return run


def _delete(name: str) -> Callable[[Queue], str]:
    def delete(queue: Queue) -> str:
        queue.schedules.delete(name)
        return f"Schedule {safe(name)} deleted · z to undo"

    return delete
