"""A table of rows with keys: queues, workers, error groups, schedules. The cursor follows the key.

The screen passes rows that are ready to draw; the table chooses the columns that fit, draws them, and moves the cursor.
Textual's DataTable cannot drop columns by importance or let one grow, and updating 50 rows of 8 columns takes it 5 to 13
times as long (115 to 297 ms against 23 ms).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jobdeck import State, record

from ...text.format import RAISED
from ..base.panel import STATE_CLASSES, TEXT_CLASSES
from ..base.strips import Piece, fit, fit_pieces, make_strip
from ..details.job_details import StyledLine

HEAD = 1
"""The number of lines of the column headers."""
_ALL_STATES = frozenset(State)
CURSOR_KEYS: tuple[BindingType, ...] = (
    Binding("j,down", "move(1)", "down", show=False, system=True),
    Binding("k,up", "move(-1)", "up", show=False, system=True),
    Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, system=True),
    Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, system=True),
    Binding("g,home", "edge(-1)", "first", show=False, system=True),
    Binding("G,end", "edge(1)", "last", show=False, system=True),
)
"""The keys that move the cursor of a table."""


@record
class TableColumn:
    """A column, as wide as its widest cell within `least` and `most`.

    `drop`: if columns do not fit, those with the highest number are dropped first, and restored if they fit later; 0 is
    never dropped.
    `grow`: takes the remaining width, and shrinks first, but columns are dropped before its cells are cut to less than `keep`.
    One column should grow.
    """

    key: str
    title: str
    least: int = 0
    most: int = 40
    right: bool = False
    drop: int = 0
    grow: bool = False
    keep: int = 0
    sort: bool = False
    """`True` if a click on the header sorts by this column."""
    alone: str = ""
    """The title if the previous column, whose title covers both, is not shown."""

    def title_after(self, before: bool) -> str:
        """Return the title, depending on whether the previous column is shown."""
        return self.title if before or not self.alone else self.alone


TableCell = StyledLine | Callable[[int], StyledLine]


@record
class Row:
    """A row: its key, and for each column the pieces of text with their meaning.

    A cell that adapts to the available width, such as a sparkline, is a function of the width; it belongs in the column that
    grows. Texts must be safe to draw (`sanitize.safe`). A meaning is `quiet`, `strong`, `error`, …, the name of a state, or
    empty.
    """

    key: Hashable
    cells: tuple[TableCell, ...]


class KeyedTable(ScrollView, can_focus=True, inherit_bindings=False):
    """One line per row, in a frame with a title."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*STATE_CLASSES.values(), *TEXT_CLASSES, "ground--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        *CURSOR_KEYS,
        Binding("enter", "open", "open"),
    ]

    class Opened(Message):
        """The user pressed enter on a row, or clicked it twice."""

        def __init__(self, table: KeyedTable, key: Hashable) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> KeyedTable:
            return self.table

    class Moved(Message):
        """The cursor has moved to another key."""

        def __init__(self, table: KeyedTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> KeyedTable:
            return self.table

    class SortRequested(Message):
        """A column header was clicked."""

        def __init__(self, table: KeyedTable, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> KeyedTable:
            return self.table

    def __init__(
        self,
        label: str,
        heads: Sequence[TableColumn],
        *,
        digit: str = "",
        empty: Sequence[StyledLine] = (),
        id: str | None = None,
    ) -> None:
        """Create a table.

        Args:
            label: its name, in the frame and in the help.
            heads: its columns.
            digit: the key that goes to it, raised before its name.
            empty: the lines shown if there are no rows.
            id: its id on the screen.
        """
        super().__init__(id=id)
        self.label, self.digit = label, digit
        self.heads = tuple(heads)
        self.empty: Sequence[StyledLine] = empty
        self._rows: Sequence[Row] = ()
        self._cursor = 0
        self._sorted: tuple[str, bool] | None = None
        self._layout: list[tuple[int, int]] = []
        self._titles: dict[int, str] = {}
        self._loading = True

    def on_mount(self) -> None:
        """Show the name in the frame."""
        self.set_titles()

    def set_titles(self, after: Iterable[tuple[str, str]] = (), below: Iterable[tuple[str, str]] = ()) -> None:
        """Set the text after the name, and in the lower edge: pieces of (text, style), never read as markup."""
        spaced = [(" " + text, style) for text, style in after]
        self.border_title = Content.assemble((self.digit.translate(RAISED), "$quiet"), (self.label, "bold"), *spaced)
        self.border_subtitle = Content.assemble(*below)

    # -- content -----------------------------------------------------------------------------------

    def show(self, rows: Sequence[Row], *, sorted_by: str | None = None, descending: bool = True) -> None:
        """Show these rows. Keeps the cursor on its key; if that is missing, on its line."""
        key = self.key
        self._rows, self._loading = rows, False
        self._sorted = None if sorted_by is None else (sorted_by, descending)
        found = next((at for at, row in enumerate(rows) if row.key == key), None) if key is not None else None
        before = self._cursor
        self._cursor = max(0, min(before if found is None else found, len(rows) - 1))
        top = self.top + (self._cursor - before if found is not None and self.top else 0)
        self._lay_out()
        self.virtual_size = Size(self._width, len(rows) + HEAD)
        if top != self.top:
            self.scroll_to(y=max(0, top), animate=False, force=True, immediate=True)
        self._scroll_to_cursor()
        if self.key != key:
            self.post_message(self.Moved(self))
        self.refresh()

    @property
    def key(self) -> Hashable | None:
        """The key under the cursor; `None` if there are no rows."""
        return self._rows[self._cursor].key if self._rows else None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows."""
        return self._rows

    def choose(self, key: Hashable) -> bool:
        """Move the cursor to a key; return `False` if there is no such row."""
        for at, row in enumerate(self._rows):
            if row.key == key:
                self._go(at)
                return True
        return False

    @property
    def top(self) -> int:
        """The first visible row."""
        return round(self.scroll_offset.y)

    @property
    def _visible_rows(self) -> int:
        return max(1, self.scrollable_content_region.height - HEAD)

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    # -- drawing ----------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit."""
        self._lay_out()
        self.virtual_size = Size(self._width, len(self._rows) + HEAD)
        self._scroll_to_cursor()
        self.refresh()

    def _lay_out(self) -> None:
        """Choose the visible columns and their widths."""
        width = self._width - 2
        cells = [max([0, *(cell_width(row.cells[at]) for row in self._rows)]) for at in range(len(self.heads))]
        shown = list(range(len(self.heads)))

        def wanted(at: int, columns: Sequence[int]) -> int:
            head = self.heads[at]
            title = len(head.title_after(at - 1 in columns)) + 2 * head.sort
            return max(head.least, min(head.most, max(title, cells[at])))

        def needed(columns: Sequence[int]) -> int:
            sizes = [(self.heads[at], wanted(at, columns)) for at in columns]
            kept = (max(head.least or min(size, 8), min(size, head.keep)) if head.grow else size for head, size in sizes)
            return sum(kept) + 2 * len(sizes) - 2

        drops = sorted({head.drop for head in self.heads} - {0})
        for drop in reversed(drops):
            if needed(shown) <= width:
                break
            shown = [at for at in shown if self.heads[at].drop != drop]
        for drop in drops:  # dropping a wide column may make space for a narrow one dropped before
            more = [at for at, head in enumerate(self.heads) if at in shown or head.drop == drop]
            if needed(more) <= width:
                shown = more
        self._titles = {at: self.heads[at].title_after(at - 1 in shown) for at in shown}
        layout = [(at, wanted(at, shown)) for at in shown]
        remaining = width - sum(size + 2 for _, size in layout) + 2
        layout = [(at, max(self.heads[at].least, size + remaining) if self.heads[at].grow else size) for at, size in layout]
        self._layout = layout

    def render_line(self, y: int) -> Strip:
        width = self._width
        if y < HEAD:
            return make_strip(self._head_pieces() if self._rows else [], width, self.rich_style)
        at = self.top + y - HEAD
        if at >= len(self._rows):
            return make_strip(self._empty_pieces(y), width, self.rich_style)
        chosen = at == self._cursor
        ground = self.rich_style
        if chosen and self.has_focus:
            ground += self.get_component_rich_style("ground--cursor")
        return make_strip(self._row_pieces(self._rows[at], chosen), width, ground)

    def meaning(self, name: str) -> Style:
        """Return the style of a meaning."""
        if not name:
            return Style()
        known = STATE_CLASSES[State(name)] if name in _ALL_STATES else f"text--{name}"
        return self.get_component_rich_style(known, partial=True)

    def _head_pieces(self) -> Iterable[Piece]:
        quiet, strong = self.meaning("quiet"), self.meaning("strong")
        yield "  ", quiet
        for at, size in self._layout:
            head = self.heads[at]
            title, style = self._titles[at], quiet
            if self._sorted is not None and head.key == self._sorted[0]:
                title, style = f"{title} {'▼' if self._sorted[1] else '▲'}", strong
            yield fit(title, size, right=head.right) + self._gap(at), style

    def _row_pieces(self, row: Row, chosen: bool) -> Iterable[Piece]:
        yield ("❯ " if chosen else "  "), self.meaning("accent")
        for at, size in self._layout:
            made = row.cells[at]
            cell = made if isinstance(made, list) else made(size)
            length = cell_width(cell)
            if self.heads[at].right and length < size:
                yield " " * (size - length), Style()
            room = min(size, length) if self.heads[at].right else size
            yield from fit_pieces(((text, self.meaning(meaning)) for text, meaning in cell), room)
            yield self._gap(at), Style()

    def _gap(self, at: int) -> str:
        return "" if at == self._layout[-1][0] else "  "

    def _empty_pieces(self, y: int) -> Iterable[Piece]:
        lines = [] if self._rows or self._loading else self.empty
        if HEAD <= y < HEAD + len(lines):
            for text, meaning in lines[y - HEAD]:
                yield text, self.meaning(meaning)

    # -- moving -----------------------------------------------------------------------------------

    def _go(self, at: int) -> None:
        at = max(0, min(len(self._rows) - 1, at))
        if not self._rows or at == self._cursor:
            return
        self._cursor = at
        self._scroll_to_cursor()
        self.post_message(self.Moved(self))
        self.refresh()

    def _scroll_to_cursor(self) -> None:
        top = self.top
        if self._cursor < top:
            top = self._cursor
        elif self._cursor >= top + self._visible_rows:
            top = self._cursor - self._visible_rows + 1
        if top != self.top:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move by a screenful."""
        self._go(self._cursor + by * self._visible_rows)

    def action_edge(self, by: int) -> None:
        """Go to the first or the last row."""
        self._go(0 if by < 0 else len(self._rows) - 1)

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Opened(self, self.key))

    def on_click(self, event: Click) -> None:
        """Select a row with the mouse; a second click opens it. A click on a header sorts."""
        x, y = event.x - self.gutter.left, event.y - self.gutter.top
        if y < HEAD:
            start = 2
            for at, size in self._layout:
                if start <= x < start + size + 2 and self.heads[at].sort:
                    self.post_message(self.SortRequested(self, self.heads[at].key))
                start += size + 2
            return
        at = self.top + y - HEAD
        if at < len(self._rows):
            self._go(at)
            if event.chain > 1:
                self.action_open()


def cell_width(cell: TableCell) -> int:
    """Return the width of a cell; 0 if it adapts to the available width."""
    return 0 if not isinstance(cell, list) else sum(len(text) if text.isascii() else cell_len(text) for text, _ in cell)
