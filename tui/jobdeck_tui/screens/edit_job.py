"""Edits a queued job as JSON: its kind validates it while typing, and the editor closes once the queue has saved it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.widgets import Static, TextArea

from jobdeck import InvalidArguments, InvalidOption, JobdeckError, JobNotFound

from ..app_base import CockpitBase, cockpit_of
from ..feed.feed import Reading
from ..forms.job_editing import Changes, EditDocument, EditError, line_of
from ..text.sanitize import safe
from ..widgets.forms.json_area import JsonArea
from .confirm import ConfirmScreen
from .terminal_screen import TerminalDialog

Problem = tuple[str, str | None]
"""The queue's objection, and the field it concerns."""
_FIELDS = {"time": "at", "delay": "at", "tag": "tags"}
"""The editor's names of options that errors name differently."""


class EditScreen(TerminalDialog[None]):
    """The editor. It stays open until the queue has saved the change, so that no input is lost."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+enter,f2", "save", "save", priority=True, key_display="^s", tooltip="Save the job if it is valid"),
        Binding("escape", "discard", "discard", priority=True, tooltip="Close without saving; asks if you have made changes"),
    ]

    def __init__(self, job_id: int, drafting: EditDocument) -> None:
        super().__init__()
        self.job_id = job_id
        self.drafting = drafting
        self.problem = ""
        """The problem shown; empty if the text is valid."""
        self._version = 0
        """Incremented whenever the text is read, to ignore answers about older text."""
        self._saving = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="edit-job"):
            yield JsonArea(self.drafting.text, indents=True, id="edit-text")
            yield Static("", id="edit-problem")
            yield Static(
                Content.assemble(
                    ("^s", "$accent"), (" save   ", "$quiet"), ("esc", "$accent"), (" discard   ", "$quiet"),
                    (self.drafting.hint, "$quiet"),
                ),
                id="edit-foot",
            )  # fmt: skip

    def on_mount(self) -> None:
        """Set the title and focus the text."""
        title = Content.assemble((f"edit · job {self.job_id} · {self.drafting.title}", "bold"))
        self.query_one("#edit-job").border_title = title
        self.query_one(JsonArea).focus()
        self._show_problem("", None)

    @property
    def _cockpit(self) -> CockpitBase:
        return cockpit_of(self.app)

    @property
    def _text(self) -> str:
        return self.query_one(JsonArea).text

    # -- validation -------------------------------------------------------------------------------

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Validate the text while the user types."""
        event.stop()
        self._with_changes(lambda changes: self._ask(_check(self.job_id, changes), self._checked))

    def _with_changes(self, then: Callable[[Changes], None]) -> None:
        """Read the text; show its problem, or call `then` with the changes in it."""
        self._version += 1
        try:
            changes = self.drafting.read(self._text)
        except EditError as mistake:
            self._show_problem(mistake.problem, mistake.line)
            return
        then(changes)

    def _ask(self, read: Reading[Problem | None], answered: Callable[[Problem | None], None]) -> None:
        version = self._version

        def answer(problem: Problem | None) -> None:
            if self.is_attached and version == self._version:  # else the text has changed since
                answered(problem)

        self._cockpit.feed.query(read, answer)

    def _checked(self, problem: Problem | None) -> None:
        text, field = problem or ("", None)
        self._show_problem(text, line_of(self._text, field) if field else None)

    def _show_problem(self, problem: str, line: int | None) -> None:
        self.problem = problem
        self.query_one(JsonArea).mark(None if line is None else (line + 1, None))
        where = f"line {line + 1} · " if line is not None and not problem.startswith("line ") else ""
        text = Content.assemble((f"✗ {where}{safe(problem)}", "$error")) if problem else self._valid_text()
        self.query_one("#edit-problem", Static).update(text)

    def _valid_text(self) -> Content:
        if self._text == self.drafting.text:
            return Content.assemble(("no changes", "$quiet"))
        return Content.assemble(("✓ valid", "$success"))

    # -- saving and discarding ---------------------------------------------------------------------

    def action_save(self) -> None:
        """Save the job, and close once the queue has saved it."""
        self._with_changes(self._save)

    def _save(self, changes: Changes) -> None:
        if not changes:
            self.dismiss(None)
            return
        if not self._saving:
            self._saving = True
            version = self._version
            self._cockpit.feed.query(_edit(self.job_id, changes), lambda problem: self._saved(problem, version))

    def _saved(self, problem: Problem | None, version: int) -> None:
        self._saving = False
        if problem is None:
            self._cockpit.feed.refresh()
            self._cockpit.notify_user(f"Job {self.job_id} edited · z to undo")
            if self.is_attached:
                self.dismiss(None)
        elif self.is_attached and version == self._version:
            self._checked(problem)

    def action_discard(self) -> None:
        """Close without saving; ask first if the text has changed."""
        if self._text == self.drafting.text:
            self.dismiss(None)
            return

        def close_if(confirmed: bool | None) -> None:
            if confirmed:
                self.dismiss(None)

        self.app.push_screen(ConfirmScreen("Discard your changes?", "The job stays unchanged.", "Discard"), close_if)

    def on_click(self, event: Click) -> None:
        """Act on a clicked key hint."""
        if event.widget is not None and event.widget.id == "edit-foot":
            x = event.screen_x - event.widget.region.x
            if x < len("^s save"):
                self.action_save()
            elif len("^s save   ") <= x < len("^s save   esc discard"):
                self.action_discard()


def _check(job_id: int, changes: Changes) -> Reading[Problem | None]:
    return lambda queue: _problem_of(lambda: queue.check_edit(job_id, **changes))


def _edit(job_id: int, changes: Changes) -> Reading[Problem | None]:
    return lambda queue: _problem_of(lambda: queue.edit(job_id, **changes))


def _problem_of(edit: Callable[[], object]) -> Problem | None:
    """Run an edit and return its problem, worded for the line below the text."""
    try:
        edit()
    except InvalidArguments as error:
        return f"{error.field} {error.problem}" if error.field != "*" else error.problem, error.field
    except InvalidOption as error:
        return str(error), _FIELDS.get(error.option, error.option)
    except JobNotFound as error:
        return f"{error} It can no longer be edited.", None
    except JobdeckError as error:
        return str(error), None
    return None
