"""An input line below a table: validates while the user types, enter saves, esc cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Blur
from textual.widget import Widget
from textual.widgets import Input, Static

from ..base.text_input import TextInput

Check = Callable[[str], str | None]
"""Returns what is wrong with a text, or `None`."""


class LineEditor(Horizontal):
    """Hidden until `edit` opens it. Restores the focus when it closes."""

    class _Field(TextInput):
        BINDINGS: ClassVar[list[BindingType]] = [
            Binding("enter", "submit", "save"),
            Binding("escape", "drop", "cancel", tooltip="Discard the change"),
        ]

        def action_drop(self) -> None:
            """Discard the change."""
            self.query_ancestor(LineEditor).cancel()

        def on_blur(self, event: Blur) -> None:
            """Discard the change when the focus leaves."""
            self.query_ancestor(LineEditor).cancel()

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="line-editor")
        self._check: Check = lambda _: None
        self._keep: Callable[[str], None] = lambda _: None
        self._dropped: Callable[[], None] = lambda: None
        self._back_to: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="editor-label", markup=False)
        yield self._Field(compact=True, id="editor-field")
        yield Static(id="editor-problem", markup=False)

    def edit(
        self,
        label: str,
        value: str,
        check: Check,
        keep: Callable[[str], None],
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the editor.

        Args:
            label: the name of the value, and its syntax.
            value: the current value.
            check: called with each typed text.
            keep: called with the text when the user presses enter and the text is valid.
            dropped: called when the editor closes in any other way.
        """
        self._check, self._keep, self._dropped = check, keep, dropped
        self._back_to = self.screen.focused
        self.query_one("#editor-label", Static).update(Content(f" {label} "))
        field = self.query_one(self._Field)
        self.display = True
        field.value = value
        field.cursor_position = len(value)
        self._validate(value)
        field.focus()

    def close(self) -> None:
        """Hide the editor."""
        if self.display:
            self.display = False
            if self._back_to is not None and self._back_to.is_attached:
                self._back_to.focus()

    def cancel(self) -> None:
        """Hide the editor and discard the change."""
        if self.display:
            self.close()
            self._dropped()

    def _validate(self, text: str) -> str | None:
        problem = self._check(text)
        message = (
            Content.assemble((f" ✗ {problem} ", "$error"))
            if problem
            else Content(" enter saves · esc cancels ").stylize("$quiet")
        )
        self.query_one("#editor-problem", Static).update(message)
        return problem

    def on_input_changed(self, event: Input.Changed) -> None:
        """Validate the text."""
        event.stop()
        if self.display:
            self._validate(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Save the text if it is valid."""
        event.stop()
        if self._validate(event.value) is None:
            keep = self._keep
            self.close()
            keep(event.value)
