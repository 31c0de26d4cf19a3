"""What forms share: fields that scroll between a head and a foot that stay, checks while you type, the keys, the command."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, Resize
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from jobdeck import Kind, Queue

from ..forms.options import Option, holder_of, read_option
from ..forms.validation import Problems
from ..text.sanitize import safe
from ..widgets.base.choice_bar import ChoiceBar
from ..widgets.chrome.dialog_keys import KeyLine
from ..widgets.forms.arguments import Arguments
from ..widgets.forms.field import Field

if TYPE_CHECKING:
    from ..app import Cockpit

Draft = TypeVar("Draft")
NARROW = 76
"""Below this width hints give way to what is typed; they are tooltips still."""
TALL = 30
"""From this height on there is air between the parts."""


class FormScreen(ModalScreen[Draft | None], Generic[Draft]):
    """A form of a kind's arguments and of options. What it makes is checked by the queue before it is given back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "submit", "save", key_display="^s"),
        Binding("tab", "app.focus_next", "next"),
        Binding("shift+tab", "app.focus_previous", "before", show=False),
        Binding(
            "ctrl+j,f4", "json", "form/JSON", key_display="^j", priority=True, tooltip="The arguments as a form, or as JSON"
        ),
        Binding("escape", "leave", "leave", key_display="esc"),
        Binding("f3", "copy", "copy command", key_display="F3", tooltip="Copy the command line that does the same"),
        Binding("down", "app.focus_next", "next field", show=False, system=True),
        Binding("up", "app.focus_previous", "previous field", show=False, system=True),
    ]
    DIALOG: ClassVar[str] = "form"
    """The id of its frame."""
    OPTIONS: ClassVar[Sequence[Option]] = ()

    def __init__(self, kinds: Sequence[Kind]) -> None:
        super().__init__()
        self.kinds = {kind.name: kind for kind in kinds}
        self.command = ""
        """The command line that does the same."""
        self._token = 0
        self._submitting = False
        self._asked = False

    # -- for each form to say ----------------------------------------------------------------------

    def head(self) -> Iterable[Widget]:
        """The widgets above the fields, always in sight."""
        return ()

    def above(self) -> Iterable[Widget]:
        """The fields before the arguments."""
        return ()

    @abstractmethod
    async def begin(self) -> None:
        """Fill everything in."""

    @abstractmethod
    def read(self) -> tuple[Draft, dict[str, str]]:
        """What was typed, and what of it cannot be read."""

    @abstractmethod
    def judge(self, queue: Queue, draft: Draft) -> tuple[Problems, object]:
        """What the queue says of it, and more to show. On the feed's thread: touch no widget."""

    @abstractmethod
    def told_command(self, draft: Draft) -> str:
        """The command line that does the same."""

    def show_more(self, more: object) -> None:
        """Show what `judge` has found besides problems."""

    # -- what they share ---------------------------------------------------------------------------

    @property
    def cockpit(self) -> Cockpit:
        """The app, by its type."""
        from ..app import Cockpit

        assert isinstance(self.app, Cockpit)
        return self.app

    @property
    def now(self) -> float:
        """What time it is for the queue."""
        deck = self.cockpit.jobs_screen.deck
        return deck.overview.at if deck is not None else time.time()

    @property
    def arguments(self) -> Arguments:
        """The arguments."""
        return self.query_one(Arguments)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form", id=self.DIALOG):
            with Vertical(id="form-head"):
                yield from self.head()
            with VerticalScroll(id="fields", can_focus=False):
                yield from self.above()
                yield Arguments(id="arguments")
                yield Static(Content.assemble(("options", "bold $quiet")), classes="form-part")
                yield Vertical(id="options")
            with Vertical(id="form-foot"):
                yield Static("", id="form-problem")
                yield Static("", id="form-command")
                yield KeyLine(id="form-keys")

    def on_resize(self, event: Resize) -> None:
        """Leave out what small terminals have no room for."""
        self.set_class(event.size.width < NARROW, "-narrow")
        self.set_class(event.size.height >= TALL, "-tall")
        self.set_class(event.size.height < 20, "-short")

    async def on_mount(self) -> None:
        """Fill it in."""
        await self.begin()
        self.check()

    async def fill_options(self, kind: Kind, told: Mapping[str, str]) -> None:
        """The options, as far as they are told; for the others, what the kind says is shown."""
        made = [self._option_field(each, kind, told.get(each.name, "")) for each in self.OPTIONS]
        deck = self.cockpit.jobs_screen.deck
        names = {each.queue for each in self.kinds.values()} | {each.name for each in (deck.overview.queues if deck else ())}
        for each in made:
            if each.key == "queue" and isinstance(each.entry, Input):
                each.entry.suggester = SuggestFromList(sorted(names))
        box = self.query_one("#options", Vertical)
        await box.remove_children()
        await box.mount(*made)

    @staticmethod
    def _option_field(option: Option, kind: Kind, told: str) -> Field:
        entry = Input(told, placeholder=holder_of(option, kind), compact=True)
        return Field(option.name, entry, option.hint, option=True)

    def typed_options(self) -> list[tuple[Option, str]]:
        """The options as they were typed."""
        options = {each.name: each for each in self.OPTIONS}
        return [(options[each.key], each.text) for each in self.query_one("#options").query(Field)]

    def read_options(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The options that were typed, and what of them cannot be read."""
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
        """Whether a person has typed anything."""
        mine = (each for each in self.query(Field) if self.arguments not in each.ancestors)
        return self.arguments.touched or any(each.touched for each in mine)

    # -- checking ----------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        """Check what is typed."""
        self.check()

    async def on_select_changed(self, event: Select.Changed) -> None:
        """Check what is chosen."""
        self.check()

    def on_arguments_changed(self) -> None:
        """Check the arguments."""
        self.check()

    def check(self) -> None:
        """Ask the queue what is wrong with what was typed."""
        if not self.arguments.filled:
            return
        self._token += 1
        token = self._token
        draft, problems = self.read()
        if "JSON" not in problems:  # while it is half typed, what it was before is told
            self.command = self.told_command(draft)
        self.query_one("#form-command", Static).update(Content.assemble(("$ ", "$accent"), (safe(self.command), "$quiet")))
        self.cockpit.feed.ask(
            lambda queue: self.judge(queue, draft), lambda judged: self._judged(token, draft, problems, *judged)
        )

    def _judged(self, token: int, draft: Draft, unread: Problems, judged: Problems, more: object) -> None:
        if token != self._token or not self.is_attached:
            return
        problems = {**judged, **unread}
        self._show_problems(problems)
        self.show_more(more)
        if self._submitting and not problems:
            self.dismiss(draft)
        self._submitting = False

    def _show_problems(self, problems: Problems) -> None:
        # An empty form is not yet wrong: say what is missing only once something was typed.
        quiet = not (self.touched or self._asked)
        rest = dict(problems)
        for each in self.query(Field):
            if self.arguments not in each.ancestors:
                problem = rest.pop(each.key, None)
                each.problem(None if quiet else problem)
        rest = self.arguments.show(rest, quiet=quiet)
        shown = "; ".join(f"{name}: {text}" if name != "*" else text for name, text in rest.items())
        note = self.query_one("#form-problem", Static)
        note.display = bool(shown) and not quiet
        note.update(Content.assemble((f"✗ {safe(shown)}", "$error")))

    # -- keys --------------------------------------------------------------------------------------

    def on_input_submitted(self) -> None:
        """Enter in a field gives it back, as in any form of one page."""
        self.action_submit()

    def action_submit(self) -> None:
        """Give it back, once the queue has said that nothing is wrong."""
        self._asked = self._submitting = True
        self.check()

    def action_leave(self) -> None:
        """Leave it."""
        self.dismiss(None)

    async def action_json(self) -> None:
        """Show the arguments the other way."""
        within = self.focused is None or self.arguments in self.focused.ancestors
        problem = await self.arguments.switch()
        if problem is not None:
            self.cockpit.tell(f"Not yet: {problem}", failed=True)
            return
        if within and (first := self.arguments.first) is not None:
            first.focus()
        self.check()

    @on(ChoiceBar.Chosen, "#form-modes")
    async def switch_mode(self) -> None:
        """Show the arguments in the mode that was clicked."""
        await self.action_json()

    def action_copy(self) -> None:
        """Copy the command line that does the same."""
        self.cockpit.copy(self.command, "the command that does the same")

    def on_click(self, event: Click) -> None:
        """A click on the command copies it."""
        if event.widget is not None and event.widget.id == "form-command":
            self.action_copy()
