"""One field of a form: a label, an input that fits the type, and a hint; below, the error."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from jobdeck import Parameter

from ...forms.values import format_value, short_type
from ...text.sanitize import safe
from ..base.text_input import TextInput
from .checkbox import Checkbox


class Field(Vertical):
    """A label, an input that fits the type, and a hint; below, the error."""

    def __init__(
        self,
        name: str,
        entry: Widget,
        hint: str,
        *,
        required: bool = False,
        option: bool = False,
        label: str = "",
        chosen: Any = None,
        given: bool = False,
    ) -> None:
        """Create a field.

        Args:
            name: the key of the field.
            entry: an `Input`, `Select` or `Checkbox`.
            hint: the text beside it; must be safe to draw.
            required: whether to mark it with a star.
            option: whether it is an option of the job instead of an argument.
            label: the label, if it differs from the name.
            chosen: the initial value of a `Select`, which the widget does not report before it is mounted.
            given: whether the initial value was given, and is not just the default.
        """
        super().__init__(classes="field")
        self.key = name
        self.option = option
        self.entry = entry
        self._label = label or name
        self._hint = hint
        self._required = required
        self._given = given
        self._filled_in = chosen if isinstance(entry, Select) else self.value

    @classmethod
    def for_parameter(cls, parameter: Parameter, given: bool, value: Any) -> Field:
        """Create the field of an argument, with a value if `given`."""
        hint = safe(parameter.doc) or short_type(parameter)
        shown = value if given else parameter.default
        chosen = shown if shown in parameter.choices else None
        entry: Widget
        if parameter.type == "bool":
            entry = Checkbox(bool(shown))
        elif parameter.choices:
            choices = [(safe(str(each)), each) for each in parameter.choices]
            blank = chosen is None and parameter.default is None
            entry = (
                Select(choices, prompt="choose" if parameter.required else "default", compact=True)
                if blank
                else Select(choices, value=chosen, allow_blank=False, compact=True)
            )
        else:
            holder = "" if parameter.required else "default"
            entry = TextInput(format_value(shown, parameter.type), placeholder=holder, compact=True)
        return cls(parameter.name, entry, hint, required=parameter.required, chosen=chosen, given=given)

    def compose(self) -> ComposeResult:
        star = ("*", "$warning") if self._required else ("", "")
        self.entry.tooltip = self._hint or None
        with Horizontal(classes="field-row"):
            yield Static(Content.assemble((safe(self._label), ""), star), classes="field-name")
            yield self.entry
            yield Static(Content.assemble((self._hint, "$quiet")), classes="field-hint")
        yield Static("", classes="field-problem")

    def show_problem(self, text: str | None) -> None:
        """Show an error, or hide it if `None`."""
        for note in self.query(".field-problem").results(Static):  # not composed yet while it is being mounted
            note.display = bool(text)
            if text:
                note.update(Content.assemble((f"✗ {safe(text)}", "$error")))

    @property
    def text(self) -> str:
        """The typed text; empty if the entry takes no text."""
        return self.entry.value if isinstance(self.entry, Input) else ""

    @property
    def value(self) -> Any:
        """The value: a text, a boolean, or the choice; `None` if nothing is chosen."""
        if isinstance(self.entry, Select):
            return None if self.entry.value is Select.NULL else self.entry.value
        return self.entry.value if isinstance(self.entry, (Input, Checkbox)) else None

    @property
    def is_given(self) -> bool:
        """Return whether the value was given or typed: a default that is only shown stays the default of its kind."""
        return self._given or self.touched

    @property
    def touched(self) -> bool:
        """Whether the value differs from the initial one."""
        return bool(self.value != self._filled_in)
