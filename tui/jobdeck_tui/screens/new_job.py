"""The form of a new job, made from the arguments of its kind and checked while it is filled in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from jobdeck import Job, Kind, Parameter, parse_duration

from ..appearance import spelled
from ..messages import Checked
from ..text import safe

NewJob = tuple[str, Mapping[str, Any], Mapping[str, Any]]
"""Kind, arguments, options."""

_OPTIONS = (
    ("queue", "the kind's queue", "where it waits"),
    ("priority", "0", "larger runs first"),
    ("delay", "now", "when: 90s, 10m, 2h"),
    ("expires", "never", "not worth starting later"),
    ("after", "no other job", "jobs to wait for: 41 42"),
    ("unique", "", "a key of this job alone"),
    ("max_attempts", "as the kind says", "how often it may start"),
    ("timeout", "none", "how long a try may take"),
    ("tags", "", "words to find it by"),
)


class Field(Vertical):
    """A label, an input that fits the type, a hint; below, what is wrong with it."""

    def __init__(self, name: str, entry: Widget, hint: str, *, required: bool = False, option: bool = False) -> None:
        super().__init__(classes="field")
        self.key = name
        self.option = option
        self.entry = entry
        self._hint = hint
        self._required = required
        self._filled_in = self.text

    def compose(self) -> ComposeResult:
        star = ("*", "$warning") if self._required else ("", "")
        with Horizontal(classes="field-row"):
            yield Static(Content.assemble((safe(self.key), ""), star), classes="field-name")
            yield self.entry
            yield Static(Content.assemble((self._hint, "$quiet")), classes="field-hint")
        yield Static("", classes="field-problem")

    def problem(self, text: str | None) -> None:
        """Say what is wrong, or nothing."""
        note = self.query_one(".field-problem", Static)
        note.display = bool(text)
        if text:
            note.update(Content.assemble((f"✗ {safe(text)}", "$error")))

    @property
    def text(self) -> str:
        """What was typed."""
        return self.entry.value if isinstance(self.entry, Input) else ""

    @property
    def touched(self) -> bool:
        """Whether it holds anything else than what it came with."""
        return self.text != self._filled_in


#: The line of keys; each can be clicked.
_KEYS = (
    "[@click=screen.submit()][$accent]^s[/][$quiet] or [/][$accent]⏎[/][$quiet] enqueue[/][/]   ",
    "[@click=app.focus_next()][$accent]tab[/][$quiet] next[/][/]   [@click=screen.leave()][$accent]esc[/][$quiet] leave[/][/]",
)


class NewJobScreen(ModalScreen[NewJob | None]):
    """Pick a kind, fill in its arguments, enqueue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "submit", "enqueue", key_display="^s"),
        Binding("escape", "leave", "leave"),
        Binding("down", "app.focus_next", "next field", show=False, system=True),
        Binding("up", "app.focus_previous", "previous field", show=False, system=True),
    ]

    def __init__(self, kinds: Sequence[Kind], like: Job | None = None) -> None:
        super().__init__()
        self._kinds = {kind.name: kind for kind in kinds}
        self._like = like
        first = like.kind if like is not None and like.kind in self._kinds else next(iter(self._kinds))
        self._kind = self._kinds[first]
        self._token = 0
        self._touched = False
        self._submitting = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="new-job"):
            choices = [(name, name) for name in self._kinds]
            with Vertical(id="form-head"):
                yield Select(choices, value=self._kind.name, allow_blank=False, compact=True, id="kind")
                yield Static("", id="kind-doc", markup=False)
            with VerticalScroll(id="fields", can_focus=False):
                yield from ()
            with Vertical(id="form-foot"):
                yield Static("", id="form-problem")
                with Horizontal(id="form-keys"):
                    for keys in _KEYS:
                        label = Label(keys.replace("⏎", spelled(self.app, "⏎")))
                        label.auto_links = False  # keys look like keys, not like links
                        yield label

    async def on_mount(self) -> None:
        """Make the form of the first kind."""
        self.query_one("#new-job").border_title = Content.assemble(("new job", "bold"))
        await self._make_fields()

    async def on_select_changed(self, event: Select.Changed) -> None:
        """Another kind: another form. A choice among an argument's values is checked."""
        if event.select.id == "kind":
            if event.value != self._kind.name:
                self._kind = self._kinds[str(event.value)]
                await self._make_fields()
        else:
            self._check()

    async def _make_fields(self) -> None:
        self.query_one("#kind-doc", Static).update(safe(self._kind.doc) or "No description.")
        fields = self.query_one("#fields", VerticalScroll)
        await fields.remove_children()
        self._touched = False
        filled = self._filled()
        made: list[Widget] = [self._argument(each, filled) for each in self._shown_parameters()]
        options: list[Widget] = [
            Field(name, Input(self._option(name), placeholder=self._placeholder(name, holder), compact=True), hint, option=True)
            for name, holder, hint in _OPTIONS
        ]
        await fields.mount(*made, Static(Content.assemble(("options", "bold $quiet")), classes="form-part"), *options)
        entries = [field.entry for field in self.query(Field)]
        if entries:
            entries[0].focus()
        self._check()

    def _shown_parameters(self) -> Sequence[Parameter]:
        if self._kind.name == "shell":  # one line, as in a terminal
            return [each for each in self._kind.parameters if each.name in ("command", "cwd")]
        return self._kind.parameters

    def _filled(self) -> Mapping[str, Any]:
        if self._like is None or self._like.kind != self._kind.name:
            return {}
        try:
            return self._like.args
        except Exception:  # unreadable arguments: start with an empty form
            return {}

    def _option(self, name: str) -> str:
        if self._like is None or self._like.kind != self._kind.name:
            return ""
        told = {
            "queue": self._like.queue,
            "priority": str(self._like.priority),
            "max_attempts": str(self._like.max_attempts),
            "timeout": f"{self._like.timeout:g}s" if self._like.timeout else "",
            "tags": " ".join(self._like.tags),
        }
        return told.get(name, "")

    def _placeholder(self, name: str, otherwise: str) -> str:
        told = {"queue": self._kind.queue, "priority": str(self._kind.priority)}
        if name == "max_attempts" and self._kind.max_attempts:
            return str(self._kind.max_attempts)
        return told.get(name, otherwise)

    def _argument(self, parameter: Parameter, filled: Mapping[str, Any]) -> Field:
        value = filled.get(parameter.name, parameter.default)
        hint = safe(parameter.doc) or _short_type(parameter)
        entry: Widget
        if parameter.type == "bool":
            entry = Select([("yes", True), ("no", False)], value=bool(value), allow_blank=False, compact=True)
        elif parameter.choices:
            chosen = value if value in parameter.choices else parameter.choices[0]
            entry = Select([(str(each), each) for each in parameter.choices], value=chosen, allow_blank=False, compact=True)
        elif self._kind.name == "shell" and parameter.name == "command":
            shown = shlex.join(value) if isinstance(value, list) else ""
            entry = Input(shown, placeholder="gzip -9 access.log", compact=True)
            hint = "sh reads | > * …"
            if filled.get("shell") is True and isinstance(value, list):
                entry.value = " ".join(value)
        else:
            shown = (
                ""
                if value is None
                else (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
            )
            entry = Input(shown, placeholder="" if parameter.required else "default", compact=True)
        return Field(parameter.name, entry, hint, required=parameter.required)

    # -- checking ---------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        """Check what is typed. What a field comes filled with is told as a change too."""
        self._touched = self._touched or any(field.touched for field in self.query(Field))
        self._check()

    def _check(self) -> None:
        self._token += 1
        made, problems = self._made()
        if problems:
            self._submitting = False
            self._show_problems(problems)
            return
        from ..app import Cockpit

        assert isinstance(self.app, Cockpit)
        self.app.feed.check(self._token, *made)

    def checked(self, event: Checked) -> None:
        """What the queue says of the draft."""
        if event.token != self._token:
            return
        self._show_problems(event.problems)
        if self._submitting and not event.problems:
            self.dismiss(self._made()[0])
        self._submitting = False

    def _show_problems(self, problems: Mapping[str, str]) -> None:
        rest = dict(problems)
        for field in self.query(Field):
            problem = rest.pop(field.key, None)
            # An empty form is not yet wrong: say what is missing only once something was typed.
            field.problem(problem if self._touched else None)
        shown = "; ".join(f"{name}: {text}" if name != "*" else text for name, text in rest.items())
        self.query_one("#form-problem", Static).update(Content.assemble((safe(shown), "$error")))

    def _made(self) -> tuple[NewJob, dict[str, str]]:
        # What the form does not show (the environment of a command) is kept as it was.
        shown = {field.key for field in self.query(Field) if not field.option}
        args: dict[str, Any] = {name: value for name, value in self._filled().items() if name not in shown}
        options: dict[str, Any] = {}
        problems: dict[str, str] = {}
        names = {each.name: each for each in self._kind.parameters}
        for field in self.query(Field):
            if field.option:
                problem = self._read_option(field.key, field.text.strip(), options)
                if problem:
                    problems[field.key] = problem
                continue
            parameter = names[field.key]
            entry = field.entry
            if isinstance(entry, Select):
                args[field.key] = entry.value
            elif self._kind.name == "shell" and field.key == "command":
                problem = _read_command(field.text, args, shell=self._filled().get("shell") is True)
                if problem and self._touched:
                    problems[field.key] = problem
            elif field.text or (parameter.required and parameter.type == "str" and self._touched):
                args[field.key] = read_value(field.text, parameter.type)
        return (self._kind.name, args, options), problems

    @staticmethod
    def _read_option(name: str, text: str, options: dict[str, Any]) -> str | None:
        if not text:
            return None
        if name in ("priority", "max_attempts"):
            try:
                options[name] = int(text)
            except ValueError:
                return "must be a whole number"
        elif name in ("delay", "timeout", "expires"):
            try:
                options[name] = parse_duration(text)
            except ValueError as error:
                return str(error)
        elif name == "tags":
            options[name] = text.split()
        elif name == "after":
            try:
                options[name] = [int(word) for word in text.replace(",", " ").split()]
            except ValueError:
                return "takes ids of jobs, such as 41 42"
        else:
            options[name] = text
        return None

    def on_input_submitted(self) -> None:
        """Enter in a field enqueues, as in any form of one page."""
        self.action_submit()

    def action_submit(self) -> None:
        """Enqueue, once the queue has said that nothing is wrong."""
        self._touched = self._submitting = True
        self._check()

    def action_leave(self) -> None:
        """Leave without a job."""
        self.dismiss(None)


def read_value(text: str, type_name: str) -> Any:
    """What a text means as a value of the type: text stays text, everything else is read as JSON if it can be."""
    if type_name.startswith("str"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_command(text: str, args: dict[str, Any], *, shell: bool) -> str | None:
    args.pop("shell", None)
    if not text.strip():
        return None
    if shell or any(character in text for character in "|&;<>*?`$(){}~#\n"):
        args.update(command=[text.strip()], shell=True)
        return None
    try:
        args["command"] = shlex.split(text)
    except ValueError as error:
        return f"cannot be read: {str(error).lower()}"
    return None


def _short_type(parameter: Parameter) -> str:
    if parameter.type == "bool":
        return "yes or no"
    if parameter.choices:
        return safe(", ".join(map(str, parameter.choices)))
    return safe(parameter.type.replace("typing.", "").replace("NoneType", "None"))
