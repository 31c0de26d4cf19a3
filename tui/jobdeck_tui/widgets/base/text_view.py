"""A scrolling panel of text: wraps long lines instead of cutting them, and can follow the end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobdeck import State

from .panel import STATE_CLASSES, TEXT_CLASSES
from .strips import make_strip
from .styled_text import LONGEST, StyledLine

MOST = 20_000
"""The number of wrapped lines to keep; drops the oldest first."""


class TextView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of styled text in a frame."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "by(1)", "down", show=False, system=True),
        Binding("k,up", "by(-1)", "up", show=False, system=True),
        Binding("pagedown,ctrl+d,space", "page(1)", "page down", show=False, system=True),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, system=True),
        Binding("g,home", "edge(-1)", "top", show=False, system=True),
        Binding("G,end", "edge(1)", "end", show=False, system=True, tooltip="Go to the end and follow it"),
    ]
    label = "text"

    def __init__(self, title: str, digit: str, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.label = title
        self.digit = digit
        self._follow = follow
        self.lines: list[StyledLine] = []
        """The lines before wrapping."""
        self._wrapped: list[StyledLine] = []
        self._begins: list[int] = []
        """The first row of each line; rows are counted from the first one ever shown, dropped ones included."""
        self._dropped = 0

    def on_mount(self) -> None:
        """Show the digit in the title."""
        self.set_title("")

    def set_title(self, after: str) -> None:
        """Set the text after the title."""
        self.border_title = Content.assemble(
            (self.digit, "$quiet"), (self.label, "bold"), (f" {after}" if after else "", "$quiet")
        )

    def show(self, lines: Sequence[StyledLine]) -> None:
        """Show these lines. Keeps the scroll position, or stays at the end while following it."""
        if lines != self.lines:
            self.lines = list(lines)
            self._wrap_all()

    def extend(self, lines: Sequence[StyledLine]) -> None:
        """Append lines, without processing the existing ones again."""
        self.lines += lines
        self._add(lines)

    def on_resize(self, event: Resize) -> None:
        """Wrap the lines for the new width."""
        self._wrap_all()

    def _wrap_all(self) -> None:
        self._wrapped, self._begins, self._dropped = [], [], 0
        self._add(self.lines)

    def styled_line(self, at: int) -> tuple[StyledLine, int | None]:
        """Return the line at an index as it should look, and how many of its first pieces are its head, if known."""
        return self.lines[at], None

    def _rows(self, at: int, width: int) -> list[StyledLine]:
        pieces, head = self.styled_line(at)
        return wrap(pieces, width, head)

    def row_of(self, at: int) -> int:
        """Return the first row of a line."""
        return max(0, self._begins[at] - self._dropped) if at < len(self._begins) else 0

    def index_at(self, row: int) -> int:
        """Return the index of the line on a row."""
        return max(0, bisect_right(self._begins, row + self._dropped) - 1)

    @property
    def at_end(self) -> bool:
        """Whether the last line is visible."""
        return bool(self.is_vertical_scroll_end)

    def _add(self, lines: Sequence[StyledLine]) -> None:
        width = self.scrollable_content_region.width
        if width < 4:
            return
        at_end = self._follow and self.is_vertical_scroll_end
        first = len(self.lines) - len(lines)
        for at in range(first, len(self.lines)):
            self._begins.append(self._dropped + len(self._wrapped))
            if len(self.lines) - at <= MOST:
                self._wrapped += self._rows(at, width)
        more = max(0, len(self._wrapped) - MOST)
        self._dropped += more
        del self._wrapped[:more]
        self.virtual_size = Size(width, len(self._wrapped))
        if at_end:
            self.scroll_end(animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row = round(self.scroll_offset.y) + y
        if row >= len(self._wrapped):
            return Strip.blank(width, self.rich_style)
        return make_strip(((text, self._style(meaning)) for text, meaning in self._wrapped[row]), width, self.rich_style)

    def _style(self, meaning: str) -> Style:
        if not meaning:
            return Style()
        name = STATE_CLASSES[State(meaning)] if meaning in list(State) else f"text--{meaning}"
        return self.get_component_rich_style(name, partial=True)

    def action_by(self, by: int) -> None:
        """Scroll a line."""
        self.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll a screenful."""
        self.scroll_relative(y=by * max(1, self.size.height - 1), animate=False)

    def action_edge(self, by: int) -> None:
        """Scroll to the top or the end."""
        if by < 0:
            self.scroll_home(animate=False)
        else:
            self.scroll_end(animate=False)


def wrap(pieces: StyledLine, width: int, head_pieces: int | None = None) -> list[StyledLine]:
    """Wrap a line to at most `width` cells, breaking between words if one ends near the edge.

    Indents continuation lines by two cells, or up to the text if the line starts with a quiet head such as a time or a
    name. Never breaks an accented piece after the head, such as a command, nor a quiet piece set apart by two blanks, if
    it fits on one line.

    Args:
        pieces: the line.
        width: the maximum width in cells.
        head_pieces: the number of pieces of the head; guessed if `None`.
    """
    if sum(len(text) for text, _ in pieces) <= width // 2:
        return [pieces]  # the usual case: even double-width characters fit
    if head_pieces is None:
        head_pieces = len(pieces) - 1 if pieces[0][1] == "quiet" and len(pieces) in (2, 3) else 0
    head = pieces[:head_pieces]
    indented = len(pieces[0][0]) - len(pieces[0][0].lstrip(" "))
    indent = min(sum(_cells(text) for text, _ in head) or indented + 2, width // 3)
    lines: list[StyledLine] = [[]]
    remaining = width
    for place, (text, meaning) in enumerate(pieces):
        rest = text.expandtabs(4)
        more = len(rest) - LONGEST
        if more > 0:
            rest = f"{rest[:LONGEST]} … and {more:,} more characters"
        whole = meaning == "accent" or (meaning == "quiet" and rest.startswith("  "))
        if whole and place > head_pieces and _cells(rest) > remaining:
            apart = rest.lstrip(" ")
            if _cells(apart) <= width - indent:
                lines.append([(" " * indent, "")])
                remaining, rest = width - indent, apart
        at = 0
        while at < len(rest):
            part = _part(rest, at, remaining, width)
            if part:
                lines[-1].append((part, meaning))
                remaining -= _cells(part)
                at += len(part)
            if at < len(rest):
                lines.append([(" " * indent, "")])
                remaining = width - indent
                at += rest[at] == " "  # the line break replaces the blank
    return lines


def _part(text: str, at: int, remaining: int, width: int) -> str:
    """Return the part of the text that fits into `remaining` cells, up to the end of a word or name if one ends near."""
    # Never slice more characters than cells: a line may be a megabyte long.
    part = text[at : at + remaining]
    if part and not part.isascii():
        part = chop_cells(part, remaining)[0] if cell_len(part) > remaining else part
    end = at + len(part)
    if end < len(text) and text[end] != " ":
        for sign in " /":  # break a path between its parts
            start = part.rfind(sign) + 1
            if start and _cells(part[start:]) <= width // 3:
                return part[:start]
    return part


def _cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
