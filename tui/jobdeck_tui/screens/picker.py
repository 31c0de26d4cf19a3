"""A dialog with a list to pick from or to arrange, with key hints below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.widget import Widget

from ..widgets.chrome.key_hints import KeyHints
from ..widgets.details.job_details import StyledLine
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .terminal_screen import TerminalDialog

T = TypeVar("T")


class PickerList(KeyedTable):
    """The list of a picker."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "select")]


class PickerScreen(TerminalDialog[T]):
    """A list to pick from. Esc closes it without a change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "close", key_display="esc"),
    ]
    AUTO_FOCUS = "#choices"
    NAME: ClassVar[str] = ""
    HEADS: ClassVar[Sequence[TableColumn]] = ()
    EMPTY: ClassVar[Sequence[StyledLine]] = ()

    def rows(self) -> Sequence[Row]:
        """Return the rows of the list."""
        raise NotImplementedError

    def below(self) -> Iterable[Widget]:
        """Return the widgets between the list and the key hints."""
        return ()

    @property
    def choices(self) -> KeyedTable:
        """The list."""
        return self.query_one(PickerList)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog chooser"):
            yield PickerList(self.NAME, self.HEADS, empty=self.EMPTY, id="choices")
            yield from self.below()
            yield KeyHints()

    def on_mount(self) -> None:
        """Show the list."""
        self.show()

    def show(self) -> None:
        """Show the current rows."""
        rows = self.rows()
        self.choices.show(rows)
        self._fit(len(rows))

    def on_resize(self, event: Resize) -> None:
        """Fit the height to the list and the terminal."""
        self._fit(len(self.choices.rows))

    def _fit(self, rows: int) -> None:
        # 3: the frame and the column heads of the list; 5: these, the frame of the dialog and the hints.
        self.choices.styles.height = max(4, min(max(rows, len(self.EMPTY)) + 3, self.app.size.height - 5))

    def action_close(self) -> None:
        """Close without a result."""
        self.dismiss(None)
