"""Framed panels with a digit in the title, drawn line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from jobdeck import State

from ...text.format import RAISED
from .line_diff import DiffedLines
from .strips import Piece, make_strip

#: Component classes for text colored by meaning; the stylesheet sets their colors once, for all widgets.
STATE_CLASSES = {state: f"state--{state.value}" for state in State}
TEXT_CLASSES = (
    "text--quiet",
    "text--strong",
    "text--warning",
    "text--error",
    "text--good",
    "text--accent",
    "text--later",
    "text--line",
    "text--match",
    "text--found",
)


class LineWidget(DiffedLines):
    """A widget that draws its lines itself."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES, "ground--cursor", "ground--marked"}

    def style(self, name: str) -> Style:
        """Return the style of a meaning, without its background: quiet, strong, warning, error, good, accent, later."""
        return self.get_component_rich_style(f"text--{name}", partial=True)

    def state_style(self, state: State) -> Style:
        """Return the style of a state, without its background."""
        return self.get_component_rich_style(STATE_CLASSES[state], partial=True)

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        """Return the pieces of line `y`."""
        raise NotImplementedError

    def line_at(self, y: int) -> Strip:
        return make_strip(self.draw(y, self.size.width), self.size.width, self.rich_style)


class JobOpened(Message):
    """The user asks to open a job from a panel or table that shows it."""

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id


class Panel(LineWidget, can_focus=True):
    """A framed panel. Subclasses set a digit and titles, and draw the lines."""

    digit: ClassVar[int] = 0
    label: ClassVar[str] = ""
    _titles: tuple[Content, Content] | None = None

    def on_mount(self) -> None:
        self.set_titles(())

    def set_titles(self, after: Sequence[tuple[str, str]], subtitle: Sequence[tuple[str, str]] = ()) -> None:
        """Set the text after the label, and the text in the lower edge: pieces of (text, style).

        Never interprets the texts as markup.
        """
        digit = str(self.digit).translate(RAISED) if self.digit else ""
        titles = (
            Content.assemble((digit, "$quiet"), (self.label, "bold"), *_spaced(after)),
            Content.assemble(*subtitle),
        )
        if titles != self._titles:  # each assignment redraws the whole panel
            self._titles = titles
            self.border_title, self.border_subtitle = titles


def _spaced(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(" " + text, style) for text, style in pieces]
