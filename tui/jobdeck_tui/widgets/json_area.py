"""An editor for JSON: coloured as it is typed, with the line that is wrong in the colour of errors."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from ..text import masked
from .json_lines import coloured
from .panel import TEXT_CLASSES


class JsonArea(TextArea):
    """`wrong` is the line that a problem is on, from 0."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TEXT_CLASSES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("shift+tab", "app.focus_previous", "leave the text", show=False, system=True),
    ]

    def __init__(self, text: str, *, id: str | None = None) -> None:
        super().__init__(text, tab_behavior="indent", show_line_numbers=True, soft_wrap=True, id=id)
        self.indent_width = 2
        self.wrong: int | None = None

    def mark(self, line: int | None) -> None:
        """Say which line is wrong."""
        if line != self.wrong:
            self.wrong = line
            self.notify_style_update()  # what was drawn of the lines is forgotten
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        plain = masked(self.document.get_line(line_index))
        text = Text(end="", no_wrap=True)
        if line_index == self.wrong:
            text.append(plain, self._meaning("error"))
            return text
        for piece, meaning in coloured(plain) if len(plain) <= _COLOURED else [(plain, "")]:
            text.append(piece, self._meaning(meaning))
        return text

    def _meaning(self, name: str) -> Style | None:
        return self.get_component_rich_style(f"text--{name}", partial=True) if name else None


_COLOURED = 2000
"""Characters of a line that is coloured; what is longer stays plain."""
