"""A yes-no question before an irreversible action or one on many jobs. The safe answer has the focus."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from .terminal_screen import TerminalDialog


class ConfirmScreen(TerminalDialog[bool]):
    """A question with the answers yes and no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "no"),
        Binding("y", "answer(True)", "yes"),
        Binding("left,h", "app.focus_previous", "left", show=False, system=True),
        Binding("right,l", "app.focus_next", "right", show=False, system=True),
    ]

    def __init__(self, question: str, more: str, yes: str) -> None:
        super().__init__()
        self._question, self._more, self._yes = question, more, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="dialog-title", markup=False)
            yield Static(self._more, classes="dialog-text", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel  esc", id="no", compact=True)
                yield Button(f"{self._yes}  y", id="yes", variant="error", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Close with the answer of the pressed button."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Close with an answer."""
        self.dismiss(yes)
