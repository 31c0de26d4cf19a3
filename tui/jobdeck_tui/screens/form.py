"""The base of all forms: scrolling fields between a fixed head and foot, validation while typing, keys and the command."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, Resize
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from jobdeck import Kind, Queue

from ..app_base import CockpitBase, cockpit_of
from ..forms.options import Option, placeholder_for, read_option
from ..forms.validation import Problems
from ..text.sanitize import safe
from ..widgets.base.choice_bar import ChoiceBar
from ..widgets.base.text_input import TextInput
from ..widgets.chrome.dialog_keys import DialogKeys
from ..widgets.forms.arguments import ArgumentsForm
from ..widgets.forms.field import Field
from .confirm import ConfirmScreen
from .terminal_screen import TerminalDialog

Draft = TypeVar("Draft")
NARROW = 76
"""Below this width the hints are hidden to make space for the input; they remain as tooltips."""
TALL = 30
"""The minimum height to separate the parts with blank lines."""


class FormScreen(TerminalDialog[Draft | None], Generic[Draft]):
    """A form of a kind's arguments and of options. The queue validates the result before the form returns it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "submit", "save", key_display="^s"),
        Binding("tab", "app.focus_next", "next"),
        Binding("shift+tab", "app.focus_previous", "previous", show=False),
        Binding(
            "ctrl+j,f4", "json", "form/JSON", key_display="^j", priority=True, tooltip="Edit the arguments as a form or as JSON"
        ),
        Binding("escape", "cancel", "cancel", key_display="esc"),
        Binding("f3", "copy", "copy command", key_display="F3", tooltip="Copy the equivalent command line"),
        Binding("down", "app.focus_next", "next field", show=False, system=True),
        Binding("up", "app.focus_previous", "previous field", show=False, system=True),
    ]
    DIALOG: ClassVar[str] = "form"
    """The id of the dialog."""
    OPTIONS: ClassVar[Sequence[Option]] = ()
    UNSAVED: ClassVar[str] = "Nothing was saved."
    """The sentence about what has not happened if the form is closed without a result."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        super().__init__()
        self.kinds = {kind.name: kind for kind in kinds}
        self.command = ""
        """The equivalent command line."""
        self._token = 0
        self._submitting = self._saving = False
        self._submitted = False

    # -- for subclasses to implement ---------------------------------------------------------------

    def head(self) -> Iterable[Widget]:
        """Return the widgets above the fields, which do not scroll."""
        return ()

    def above(self) -> Iterable[Widget]:
        """Return the fields before the arguments."""
        return ()

    @abstractmethod
    async def fill_in(self) -> None:
        """Fill in all fields and focus the first one."""

    @abstractmethod
    def read(self) -> tuple[Draft, dict[str, str]]:
        """Return the form's values, and the problems by field name of those that cannot be read."""

    @abstractmethod
    def validate_draft(self, queue: Queue, draft: Draft) -> tuple[Problems, object]:
        """Return the problems that the queue finds, and data for `show_more`. Runs on the feed's thread: use no widgets."""

    @abstractmethod
    def save(self, draft: Draft, answer: Callable[[str | None], None]) -> None:
        """Do what the form is for; call `answer` with `None`, or with what went wrong."""

    @abstractmethod
    def command_line(self, draft: Draft) -> str:
        """Return the equivalent command line."""

    def show_more(self, more: object) -> None:
        """Show the additional data that `judge` returned."""

    # -- shared by all forms -----------------------------------------------------------------------

    @property
    def cockpit(self) -> CockpitBase:
        """The app, typed."""
        return cockpit_of(self.app)

    @property
    def now(self) -> float:
        """The current time by the queue's clock."""
        overview = self.cockpit.latest_overview
        return overview.at if overview is not None else time.time()

    @property
    def arguments(self) -> ArgumentsForm:
        """The fields of the arguments."""
        return self.query_one(ArgumentsForm)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form", id=self.DIALOG):
            with Vertical(id="form-head"):
                yield from self.head()
            with VerticalScroll(id="fields", can_focus=False):
                yield from self.above()
                yield ArgumentsForm(id="arguments")
                yield Static(Content.assemble(("options", "bold $quiet")), classes="form-part")
                yield Vertical(id="options")
            with Vertical(id="form-foot"):
                yield Static("", id="form-problem")
                yield Static("", id="form-command")
                yield DialogKeys(id="form-keys")

    def on_resize(self, event: Resize) -> None:
        """Adapt to the size of the terminal."""
        self.set_class(event.size.width < NARROW, "-narrow")
        self.set_class(event.size.height >= TALL, "-tall")
        self.set_class(event.size.height < 20, "-short")

    async def on_mount(self) -> None:
        """Fill in the fields and validate them."""
        await self.fill_in()
        self.check()

    async def fill_options(self, kind: Kind, values: Mapping[str, str]) -> None:
        """Replace the option fields.

        Args:
            kind: the kind; its defaults are the placeholders.
            values: the options to fill in, by name.
        """
        fields = [
            self._option_field(each, kind, values.get(each.name, ""))
            for each in self.OPTIONS
            if each.name != "name" or kind.name == "shell"
        ]
        overview = self.cockpit.latest_overview
        names = {each.queue for each in self.kinds.values()} | {each.name for each in (overview.queues if overview else ())}
        for each in fields:
            if each.key == "queue" and isinstance(each.entry, Input):
                each.entry.suggester = SuggestFromList(sorted(names))
        container = self.query_one("#options", Vertical)
        await container.remove_children()
        await container.mount(*fields)

    @staticmethod
    def _option_field(option: Option, kind: Kind, text: str) -> Field:
        entry = TextInput(text, placeholder=placeholder_for(option, kind), compact=True)
        return Field(option.name, entry, option.hint, option=True)

    def typed_options(self) -> list[tuple[Option, str]]:
        """Return the options with their typed text."""
        options = {each.name: each for each in self.OPTIONS}
        return [(options[each.key], each.text) for each in self.query_one("#options").query(Field)]

    def read_options(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the typed options, and the problems by name of those that cannot be read."""
        options: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for option, text in self.typed_options():
            if text.strip():
                try:
                    name, value = read_option(option.name, text.strip(), self.now)
                except ValueError as problem:
                    problems[option.name] = str(problem)
                else:
                    options[name] = value
        return options, problems

    @property
    def touched(self) -> bool:
        """Whether the user has typed anything."""
        others = (each for each in self.query(Field) if self.arguments not in each.ancestors)
        return self.arguments.touched or any(each.touched for each in others)

    # -- validation --------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        """Validate the form while the user types."""
        self.check()

    async def on_select_changed(self, event: Select.Changed) -> None:
        """Validate the form after a selection."""
        self.check()

    def on_arguments_form_changed(self) -> None:
        """Validate the form after an argument has changed."""
        self.check()

    def check(self) -> None:
        """Update the command line and have the queue validate the form."""
        if not self.arguments.has_kind:
            return
        self._token += 1
        token = self._token
        draft, problems = self.read()
        if "JSON" not in problems:  # incomplete JSON: keep the previous command
            self.command = self.command_line(draft)
        self.query_one("#form-command", Static).update(Content.assemble(("$ ", "$accent"), (safe(self.command), "$quiet")))
        self.cockpit.feed.query(
            lambda queue: self.validate_draft(queue, draft), lambda judged: self._judged(token, draft, problems, *judged)
        )

    def _judged(self, token: int, draft: Draft, unread: Problems, judged: Problems, more: object) -> None:
        if token != self._token or not self.is_attached:
            return
        problems = {**judged, **unread}
        self._show_problems(problems)
        self.show_more(more)
        if self._submitting and not problems and not self._saving:
            self._saving = True
            self.save(draft, lambda problem: self._saved(draft, problem))
        self._submitting = False

    def _saved(self, draft: Draft, problem: str | None) -> None:
        """Close the form once its result is saved; otherwise keep what was typed, and show why."""
        self._saving = False
        if problem is None and self.is_attached:
            self.dismiss(draft)
        elif problem is not None and self.is_attached:
            self._show_problems({"*": problem})
        elif problem is not None:
            self.cockpit.notify_user(problem, failed=True)

    def _show_problems(self, problems: Problems) -> None:
        # Report missing values only after the user has typed something or submitted.
        quiet = not (self.touched or self._submitted)
        rest = dict(problems)
        for each in self.query(Field):
            if self.arguments not in each.ancestors:
                problem = rest.pop(each.key, None)
                each.show_problem(None if quiet else problem)
        rest = self.arguments.show_problems(rest, quiet=quiet)
        shown = "; ".join(f"{name}: {text}" if name != "*" else text for name, text in rest.items())
        note = self.query_one("#form-problem", Static)
        note.display = bool(shown) and not quiet
        note.update(Content.assemble((f"✗ {safe(shown)}", "$error")))

    # -- keys --------------------------------------------------------------------------------------

    def on_input_submitted(self) -> None:
        """Submit the form when enter is pressed in a field."""
        self.action_submit()

    def action_submit(self) -> None:
        """Return the result once the queue finds no problem."""
        self._submitted = self._submitting = True
        self.check()

    def action_cancel(self) -> None:
        """Close the form without a result; ask first if something was typed."""
        if not self.touched:
            self.dismiss(None)
            return

        def close_if(confirmed: bool | None) -> None:
            if confirmed:
                self.dismiss(None)

        self.app.push_screen(ConfirmScreen("Discard what you typed?", self.UNSAVED, "Discard"), close_if)

    def request_close(self) -> None:
        self.action_cancel()

    async def action_json(self) -> None:
        """Switch the arguments between form and JSON."""
        was_focused = self.focused is None or self.arguments in self.focused.ancestors
        problem = await self.arguments.switch()
        if problem is not None:
            self.cockpit.notify_user(f"Fix this first: {problem}", failed=True)
            return
        if was_focused and (first := self.arguments.first_input) is not None:
            first.focus()
        self.check()

    @on(ChoiceBar.Chosen, "#form-modes")
    async def switch_mode(self) -> None:
        """Switch the arguments to the clicked mode."""
        await self.action_json()

    def action_copy(self) -> None:
        """Copy the equivalent command line."""
        self.cockpit.copy(self.command, "the equivalent command")

    def on_click(self, event: Click) -> None:
        """Copy the command when it is clicked."""
        if event.widget is not None and event.widget.id == "form-command":
            self.action_copy()
