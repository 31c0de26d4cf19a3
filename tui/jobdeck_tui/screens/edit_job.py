"""A queued job edited in place, as JSON: checked by its kind as it is typed, kept when the queue has taken it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from jobdeck import InvalidArguments, InvalidOption, JobdeckError, JobNotFound

from ..app_base import CockpitBase, cockpit_of
from ..feed.feed import Reading
from ..forms.job_editing import Changes, Drafting, Mistake, line_of
from ..text.sanitize import safe
from ..widgets.forms.json_area import JsonArea
from .confirm import ConfirmScreen

Problem = tuple[str, str | None]
"""What the queue says is wrong, and with which field."""
_FIELDS = {"time": "at", "delay": "at", "tag": "tags"}
"""Where an option's error names it otherwise than the editor does."""


class EditScreen(ModalScreen[None]):
    """The editor. It stays open until the queue has taken the change, so that nothing typed is lost."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+s,ctrl+enter,f2", "keep", "keep", priority=True, key_display="^s", tooltip="Keep it, if nothing is wrong"
        ),
        Binding("escape", "leave", "drop", priority=True, tooltip="Leave it as it was; asks if something was changed"),
    ]

    def __init__(self, job_id: int, drafting: Drafting) -> None:
        super().__init__()
        self.job_id = job_id
        self.drafting = drafting
        self.problem = ""
        """What is wrong; empty where nothing is."""
        self._asked = 0
        self._asking = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="edit-job"):
            yield JsonArea(self.drafting.text, indents=True, id="edit-text")
            yield Static("", id="edit-problem")
            yield Static(
                Content.assemble(
                    ("^s", "$accent"), (" keep   ", "$quiet"), ("esc", "$accent"), (" drop   ", "$quiet"),
                    (self.drafting.hint, "$quiet"),
                ),
                id="edit-foot",
            )  # fmt: skip

    def on_mount(self) -> None:
        """Name it, and begin in the text."""
        title = Content.assemble((f"edit · job {self.job_id} · {self.drafting.title}", "bold"))
        self.query_one("#edit-job").border_title = title
        self.query_one(JsonArea).focus()
        self._tell("", None)

    @property
    def _cockpit(self) -> CockpitBase:
        return cockpit_of(self.app)

    @property
    def _text(self) -> str:
        return self.query_one(JsonArea).text

    # -- checking ---------------------------------------------------------------------------------

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Check what is typed."""
        event.stop()
        self._with_changes(lambda changes: self._ask(_check(self.job_id, changes), self._checked))

    def _with_changes(self, then: Callable[[Changes], None]) -> None:
        """Read the text; say what is wrong with it, or go on with the changes that it asks for."""
        self._asked += 1
        try:
            changes = self.drafting.read(self._text)
        except Mistake as mistake:
            self._tell(mistake.problem, mistake.line)
            return
        then(changes)

    def _ask(self, read: Reading[Problem | None], answered: Callable[[Problem | None], None]) -> None:
        token = self._asked

        def answer(problem: Problem | None) -> None:
            if self.is_attached and token == self._asked:  # otherwise more was typed since
                answered(problem)

        self._cockpit.feed.ask(read, answer)

    def _checked(self, problem: Problem | None) -> None:
        text, field = problem or ("", None)
        self._tell(text, line_of(self._text, field) if field else None)

    def _tell(self, problem: str, line: int | None) -> None:
        self.problem = problem
        self.query_one(JsonArea).mark(None if line is None else (line + 1, None))
        where = f"line {line + 1} · " if line is not None and not problem.startswith("line ") else ""
        told = Content.assemble((f"✗ {where}{safe(problem)}", "$error")) if problem else self._fine()
        self.query_one("#edit-problem", Static).update(told)

    def _fine(self) -> Content:
        if self._text == self.drafting.text:
            return Content.assemble(("nothing is changed yet", "$quiet"))
        return Content.assemble(("✓ nothing is wrong with it", "$success"))

    # -- keeping and leaving ----------------------------------------------------------------------

    def action_keep(self) -> None:
        """Give it to the queue, and leave when that has taken it."""
        self._with_changes(self._keep)

    def _keep(self, changes: Changes) -> None:
        if not changes:
            self.dismiss(None)
            return
        if not self._asking:
            self._asking = True
            token = self._asked
            self._cockpit.feed.ask(_edit(self.job_id, changes), lambda problem: self._kept(problem, token))

    def _kept(self, problem: Problem | None, token: int) -> None:
        self._asking = False
        if problem is None:
            self._cockpit.feed.refresh()
            self._cockpit.tell(f"Job {self.job_id} edited · z undoes")
            if self.is_attached:
                self.dismiss(None)
        elif self.is_attached and token == self._asked:
            self._checked(problem)

    def action_leave(self) -> None:
        """Leave it as it was; where something was typed, ask first."""
        if self._text == self.drafting.text:
            self.dismiss(None)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.dismiss(None)

        self.app.push_screen(ConfirmScreen("Drop what you have changed?", "The job stays as it was.", "Drop"), answered)

    def on_click(self, event: Click) -> None:
        """The hints can be clicked."""
        if event.widget is not None and event.widget.id == "edit-foot":
            x = event.screen_x - event.widget.region.x
            if x < len("^s keep"):
                self.action_keep()
            elif len("^s keep   ") <= x < len("^s keep   esc drop"):
                self.action_leave()


def _check(job_id: int, changes: Changes) -> Reading[Problem | None]:
    return lambda queue: _problem_of(lambda: queue.check_edit(job_id, **changes))


def _edit(job_id: int, changes: Changes) -> Reading[Problem | None]:
    return lambda queue: _problem_of(lambda: queue.edit(job_id, **changes))


def _problem_of(act: Callable[[], object]) -> Problem | None:
    """What is wrong with it, in words for the line below the text."""
    try:
        act()
    except InvalidArguments as error:
        return f"{error.field} {error.problem}" if error.field != "*" else error.problem, error.field
    except InvalidOption as error:
        return str(error), _FIELDS.get(error.option, error.option)
    except JobNotFound as error:
        return f"{error} It cannot be edited any more.", None
    except JobdeckError as error:
        return str(error), None
    return None
