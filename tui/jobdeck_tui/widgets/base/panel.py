"""A framed panel with its digit in its title; what it shows is drawn line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from jobdeck import State

from ...text.format import RAISED
from .line_diff import Redrawn
from .strips import Piece, line

#: Component classes for what is coloured by meaning; the stylesheet gives them their colours once, for all.
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


class Drawn(Redrawn):
    """A widget that draws its own lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES, "ground--cursor", "ground--marked"}

    def style(self, name: str) -> Style:
        """The style that has a meaning, without its ground: quiet, strong, warning, error, good, accent, later."""
        return self.get_component_rich_style(f"text--{name}", partial=True)

    def state_style(self, state: State) -> Style:
        """The colour of a state."""
        return self.get_component_rich_style(STATE_CLASSES[state], partial=True)

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        """The pieces of line `y`."""
        raise NotImplementedError

    def line_at(self, y: int) -> Strip:
        return line(self.draw(y, self.size.width), self.size.width, self.rich_style)


class JobOpened(Message):
    """The user asks to open a job from a panel or table that shows it."""

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id


class Panel(Drawn, can_focus=True):
    """A framed panel. Give it a digit, set its titles, draw its lines."""

    digit: ClassVar[int] = 0
    label: ClassVar[str] = ""
    _titles: tuple[Content, Content] | None = None

    def on_mount(self) -> None:
        self.titled(())

    def titled(self, after: Sequence[tuple[str, str]], subtitle: Sequence[tuple[str, str]] = ()) -> None:
        """Set the text after the label, and the text below: pieces of (text, style).

        Texts are shown as they are, never read as markup.
        """
        digit = str(self.digit).translate(RAISED) if self.digit else ""
        titles = (
            Content.assemble((digit, "$quiet"), (self.label, "bold"), *_spaced(after)),
            Content.assemble(*subtitle),
        )
        if titles != self._titles:  # each setting draws the whole panel anew
            self._titles = titles
            self.border_title, self.border_subtitle = titles


def _spaced(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(" " + text, style) for text, style in pieces]
