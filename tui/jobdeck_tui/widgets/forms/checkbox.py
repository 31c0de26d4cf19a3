"""A checkbox that is clear without colors: `[x] yes`, `[ ] no`. Textual's own draws its X checked or not, in another color."""

from __future__ import annotations

from typing import ClassVar, Self

from textual import widgets
from textual.binding import Binding, BindingType
from textual.content import Content


class Checkbox(widgets.Checkbox, inherit_bindings=False):
    """Space and a click toggle it; y and n set it. Leaves enter to the form."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "toggle_button", "yes/no", tooltip="Check or uncheck the box"),
        Binding("y", "set(True)", "yes", show=False),
        Binding("n", "set(False)", "no", show=False),
    ]

    def __init__(self, value: bool, *, words: tuple[str, str] = ("yes", "no"), id: str | None = None) -> None:
        """Create a checkbox.

        Args:
            value: whether it is checked.
            words: the text beside it if it is checked, and if not.
            id: its id on the screen.
        """
        super().__init__("", value, id=id, compact=True)
        self._words = words
        self.set_by_user = False
        """Whether the user has set it."""

    def render(self) -> Content:
        mark, word = ("x", self._words[0]) if self.value else (" ", self._words[1])
        return Content.assemble(("[", "$quiet"), (mark, "$accent"), ("] ", "$quiet"), (word, "bold $foreground"))

    def toggle(self) -> Self:
        """Check it, or uncheck it."""
        self.set_by_user = True
        return super().toggle()

    def action_set(self, value: bool) -> None:
        """Check it or uncheck it."""
        self.set_by_user = True
        self.value = value
