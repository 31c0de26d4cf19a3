"""One line below a table in which something of the chosen thing is edited: checked while you type, enter keeps, esc drops."""

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

Check = Callable[[str], str | None]
"""Says what is wrong with a text; `None` where nothing is."""


class LineEditor(Horizontal):
    """Hidden until `edit` opens it. The focus goes back to where it was."""

    class _Field(Input):
        BINDINGS: ClassVar[list[BindingType]] = [
            Binding("enter", "submit", "keep"),
            Binding("escape", "drop", "drop", tooltip="Leave it as it was"),
        ]

        def action_drop(self) -> None:
            """Leave it as it was."""
            self.query_ancestor(LineEditor).drop()

        def on_blur(self, event: Blur) -> None:
            """A click elsewhere drops it too."""
            self.query_ancestor(LineEditor).drop()

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
        """Open it.

        Args:
            label: what is edited, and how it is written.
            value: what it is now.
            check: called with each text that is typed.
            keep: called with the text when enter is pressed and nothing is wrong with it.
            dropped: called when it is closed in any other way.
        """
        self._check, self._keep, self._dropped = check, keep, dropped
        self._back_to = self.screen.focused
        self.query_one("#editor-label", Static).update(Content(f" {label} "))
        field = self.query_one(self._Field)
        self.display = True
        field.value = value
        field.cursor_position = len(value)
        self._tell(value)
        field.focus()

    def close(self) -> None:
        """Hide it."""
        if self.display:
            self.display = False
            if self._back_to is not None and self._back_to.is_attached:
                self._back_to.focus()

    def drop(self) -> None:
        """Hide it, and leave everything as it was."""
        if self.display:
            self.close()
            self._dropped()

    def _tell(self, text: str) -> str | None:
        problem = self._check(text)
        told = (
            Content.assemble((f" ✗ {problem} ", "$error"))
            if problem
            else Content(" enter keeps · esc drops ").stylize("$quiet")
        )
        self.query_one("#editor-problem", Static).update(told)
        return problem

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check it."""
        event.stop()
        if self.display:
            self._tell(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep it, if nothing is wrong with it."""
        event.stop()
        if self._tell(event.value) is None:
            keep = self._keep
            self.close()
            keep(event.value)
