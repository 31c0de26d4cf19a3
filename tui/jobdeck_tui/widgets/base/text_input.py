"""A line to type in, which loses nothing of what is pasted."""

from __future__ import annotations

from typing import ClassVar

from textual.events import Paste
from textual.widgets import Input


class TextInput(Input):
    """An input of one line. Textual's keeps the first line of a paste and drops the others in silence."""

    JOIN: ClassVar[str | None] = None
    """The text that joins the lines of a multi-line paste; with `None`, such a paste is refused as a whole."""

    def _on_paste(self, event: Paste) -> None:
        event.stop()
        event.prevent_default()
        self.paste(event.text)

    def action_paste(self) -> None:
        """Insert the clipboard."""
        self.paste(self.app.clipboard)

    def paste(self, text: str) -> None:
        """Insert the text in place of the selection, or say why not."""
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and self.JOIN is None:
            self.notify(
                f"Nothing was pasted: the text has {len(lines)} lines, and this field holds one",
                severity="warning",
                markup=False,
            )
        elif lines:
            self.replace(lines[0] if self.JOIN is None else self.JOIN.join(lines), *self.selection)
