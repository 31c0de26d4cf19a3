"""Lines of choices: the chosen one stands out, and a click chooses another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual.events import Click
from textual.message import Message

from jobdeck import record

from ...app_base import uses_ascii
from ...text.format import RAISED
from .panel import LineWidget
from .strips import Piece, width_of


@record
class Choice:
    """The value that a click chooses."""

    value: str
    group: str = ""
    """The purpose of the value, if one bar has several groups of choices."""


Part = tuple[Sequence[Piece], Choice | None]
"""Pieces of the line, and what a click on them chooses; `None` if nothing."""


class ChoiceBar(LineWidget):
    """A line of choices. Subclasses define the appearance."""

    class Chosen(Message):
        """A choice was clicked."""

        def __init__(self, bar: ChoiceBar, choice: Choice) -> None:
            super().__init__()
            self.bar = bar
            self.group, self.value = choice.group, choice.value

        @property
        def control(self) -> ChoiceBar:
            return self.bar

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._places: list[tuple[int, int, Choice]] = []

    def compose_line(self, width: int) -> Iterable[Part]:
        """Return the parts of the line, from left to right."""
        raise NotImplementedError

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        line: list[Piece] = []
        self._places = []
        at = 0
        for pieces, choice in self.compose_line(width):
            end = at + width_of(pieces)
            if choice is not None:
                self._places.append((at, end, choice))
            line += pieces
            at = end
        return line

    def on_click(self, event: Click) -> None:
        """Choose with the mouse."""
        for start, end, choice in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(self, choice))


@record
class LabeledChoice:
    """A choice with its text. Without a choice, a label that cannot be clicked."""

    text: str
    choice: Choice | None
    chosen: bool = False
    meaning: str = "quiet"
    """The style of the text while it is not chosen."""


class ChoiceGroups(ChoiceBar):
    """Groups of choices side by side. Drops groups from the end if they do not fit."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[Sequence[LabeledChoice]] = ()

    def show(self, groups: Sequence[Sequence[LabeledChoice]]) -> None:
        """Show these groups. Their texts must be safe to draw."""
        if groups != self._groups:
            self._groups = groups
            self.refresh()

    def compose_line(self, width: int) -> Iterable[Part]:
        quiet, strong = self.style("quiet"), self.style("strong")
        yield [(" ", quiet)], None
        used = 1
        for group in self._groups:
            texts = [(each.text, strong if each.chosen else self.style(each.meaning)) for each in group]
            wanted = sum(width_of([text]) + 2 for text in texts)
            if used + wanted > width:
                break
            for text, each in zip(texts, group, strict=True):
                yield [text], each.choice
                yield [("  ", quiet)], None
            yield [("  ", quiet)], None
            used += wanted + 2


class NumberedTabs(ChoiceBar):
    """Tabs that a digit opens, such as the screens: the digit, the name and a note of each, as far as they fit."""

    def __init__(self, tabs: Sequence[tuple[str, str]], opened: str, *, gaps: Sequence[int] = (3, 2), id: str) -> None:
        """Create the bar.

        Args:
            tabs: the digit and the name of each tab.
            opened: the name of the open tab.
            gaps: the numbers of blanks between tabs to try before dropping notes, and then names.
            id: its id on the screen.
        """
        super().__init__(id=id)
        self._tabs = tabs
        self._opened = opened
        self._gaps = gaps
        self._notes: Mapping[str, str] = {}

    def set_tabs(self, tabs: Sequence[tuple[str, str]]) -> None:
        """Replace the tabs: the digit and the name of each."""
        self._tabs = tabs
        self.refresh()

    def open(self, tab: str, notes: Mapping[str, str] | None = None) -> None:
        """Show which tab is open, and the notes beside the names; `None` keeps the notes."""
        self._opened = tab
        self._notes = self._notes if notes is None else notes
        self.refresh()

    def compose_line(self, width: int) -> Iterable[Part]:
        behind = " " if uses_ascii(self.app) else ""  # a digit that is not raised would run into the name
        parts: list[Part] = []
        for gap, apart, notes in (
            *((gap, behind, self._notes) for gap in self._gaps),
            (self._gaps[-1], behind, {}),
            (1, "", {}),
        ):
            parts = self._parts(gap, apart, notes, nameless=())
            if _fits(parts, width):
                return parts
        nameless: list[str] = []  # the longest names go first, the open tab's never
        for name in sorted((name for _, name in self._tabs if name != self._opened), key=len, reverse=True):
            nameless.append(name)
            parts = self._parts(1, "", {}, nameless)
            if _fits(parts, width):
                break
        return parts

    def _parts(self, gap: int, behind: str, notes: Mapping[str, str], nameless: Sequence[str]) -> list[Part]:
        quiet, strong = self.style("quiet"), self.style("strong")
        parts: list[Part] = []
        for digit, name in self._tabs:
            pieces = [(" " * (gap if parts else 1), quiet), (digit.translate(RAISED) + behind, quiet)]
            if name not in nameless:
                pieces.append((name, strong if name == self._opened else quiet))
            if note := notes.get(name):
                pieces.append((f" {note}", quiet))
            parts.append((pieces, Choice(name)))
        return parts


def _fits(parts: Sequence[Part], width: int) -> bool:
    return sum(width_of(pieces) for pieces, _ in parts) <= width
