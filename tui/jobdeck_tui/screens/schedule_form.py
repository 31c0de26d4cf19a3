"""The form of a schedule: its time in plain words with the next ticks while you type, its kind, arguments and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, cast
from zoneinfo import available_timezones

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from jobdeck import JobdeckError, Kind, Queue, Schedule, handler_kind, local_zone

from ..forms.cli_command import add_schedule_command, edit_schedule_command
from ..forms.options import SCHEDULE_OPTIONS, options_of
from ..forms.schedule_draft import ScheduleDraft, TickPreview
from ..forms.validation import Problems
from ..text.cron_text import describe_cron
from ..text.sanitize import safe
from ..widgets.base.text_input import TextInput
from ..widgets.details.job_details import StyledLine
from ..widgets.details.schedule_details import tick_lines
from ..widgets.forms.field import Field
from .form import NARROW, FormScreen

_UNREGISTERED = "This kind is not registered here; its arguments stay unchanged."
_STYLES = {"strong": "bold", "quiet": "$quiet", "accent": "$accent", "later": "$later", "": ""}


class ScheduleFormScreen(FormScreen[ScheduleDraft]):
    """The form of a new or an existing schedule; returns a draft that can save itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "submit", "save", key_display="⏎ or ^s", tooltip="Save the schedule"),
        *FormScreen.BINDINGS[1:],
    ]
    DIALOG = "schedule-form"
    OPTIONS = SCHEDULE_OPTIONS
    UNSAVED = "The schedules stay as they are."

    def __init__(self, kinds: Sequence[Kind], before: Schedule | None = None) -> None:
        """Create the form.

        Args:
            kinds: the kinds that can be enqueued.
            before: the schedule to edit; a new one if `None`.
        """
        if before is not None and handler_kind(before.kind) not in {kind.name for kind in kinds}:
            kinds = [*kinds, _unregistered_kind(before)]  # its time and options can still be edited
        super().__init__(kinds)
        self._before = before
        self._kind = (
            self.kinds.get(handler_kind(before.kind), self.kinds[next(iter(self.kinds))])
            if before is not None
            else next(iter(self.kinds.values()))
        )

    def above(self) -> Iterable[Widget]:
        before = self._before
        name = TextInput(before.name if before else "", placeholder="nightly", compact=True, disabled=before is not None)
        cron = TextInput(before.cron if before else "", placeholder="30 7 * * MON-FRI · @daily · every 90s", compact=True)
        zone = TextInput(before.timezone if before else _local_zone_name(), placeholder="UTC", compact=True)
        names = [(safe(each), each) for each in self.kinds]
        kind = Select(names, value=self._kind.name, allow_blank=False, compact=True, id="schedule-kind")
        yield Field("name", name, "cannot be changed" if before else "a unique name", required=not before)
        yield Field("cron", cron, "min hour day month weekday", required=True)
        yield Static("", id="cron-text")
        yield Field("timezone", zone, "→ completes", label="zone")
        yield Field("kind", kind, "the jobs to enqueue", chosen=self._kind.name)

    async def fill_in(self) -> None:
        title = ("new schedule", "") if self._before is None else ("schedule ", safe(self._before.name))
        self.query_one("#schedule-form").border_title = Content.assemble((title[0], "bold"), (title[1], "bold"))
        args = self._before.args if self._before is not None else {}
        await self.arguments.fill(self._kind, args if isinstance(args, dict) else {}, as_json=_is_unregistered(self._kind))
        await self.fill_options(self._kind, options_of(self._before) if self._before is not None else {})
        self._entry("cron" if self._before is not None else "name").focus()
        self._entry("timezone").suggester = SuggestFromList(["local", *sorted(available_timezones())], case_sensitive=False)

    def _entry(self, name: str) -> Input:
        entry = next(each.entry for each in self.query(Field) if each.key == name)
        assert isinstance(entry, Input)
        return entry

    async def on_select_changed(self, event: Select.Changed) -> None:
        """Replace the arguments and options after another kind was selected; the schedule's own kind brings back its values."""
        if event.select.id == "schedule-kind" and event.value != self._kind.name:
            self._kind = self.kinds[str(event.value)]
            saved = self._before if self._before is not None and handler_kind(self._before.kind) == self._kind.name else None
            args = saved.args if saved is not None else {}
            await self.arguments.fill(self._kind, args if isinstance(args, dict) else {})
            await self.fill_options(self._kind, options_of(saved) if saved is not None else {})
        self.check()

    # -- validation -------------------------------------------------------------------------------

    def read(self) -> tuple[ScheduleDraft, dict[str, str]]:
        made = self.arguments.parse()
        options, problems = self.read_options()
        name, cron, zone = (self._entry(each).value.strip() for each in ("name", "cron", "timezone"))
        draft = ScheduleDraft(name, cron, zone or "UTC", self._kind, made.args, options, self._before)
        return draft, {**made.problems, **problems}

    def validate_draft(self, queue: Queue, draft: ScheduleDraft) -> tuple[Problems, object]:
        return draft.validate(queue, stranger=_is_unregistered(draft.kind))

    def save(self, draft: ScheduleDraft, answer: Callable[[str | None], None]) -> None:
        self.cockpit.feed.save(draft.save, answer)

    def command_line(self, draft: ScheduleDraft) -> str:
        options = self.typed_options()
        if self._before is not None:
            return edit_schedule_command(self._before, draft.cron, draft.timezone, draft.kind, draft.args, options)
        return add_schedule_command(draft.name or "NAME", draft.cron or "CRON", draft.timezone, draft.kind, draft.args, options)

    def show_more(self, more: object) -> None:
        coming = cast("TickPreview", more)
        lines: list[StyledLine] = []
        if coming.ticks:
            ticks = tick_lines(coming.ticks, coming.timezone, coming.at, narrow=self.size.width < NARROW)
            lines = [[(safe(describe_cron(coming.cron)), "strong")], *ticks]
        text = self.query_one("#cron-text", Static)
        text.display = bool(lines)
        text.update(Content("\n").join([Content.assemble(*((text, _STYLES[name]) for text, name in line)) for line in lines]))


def _unregistered_kind(schedule: Schedule) -> Kind:
    """Return a stand-in for the schedule's kind, which only another program has registered."""
    return Kind(
        name=schedule.kind,
        queue=schedule.queue,
        priority=schedule.priority,
        max_attempts=schedule.max_attempts,
        timeout=schedule.timeout,
        concurrency=None,
        doc=_UNREGISTERED,
        parameters=(),
    )


def _is_unregistered(kind: Kind) -> bool:
    return kind.doc == _UNREGISTERED


def _local_zone_name() -> str:
    """Return the machine's time zone; UTC if it has no name."""
    try:
        return local_zone()
    except JobdeckError:
        return "UTC"
