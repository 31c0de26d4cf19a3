"""Picks and arranges the columns of the job table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ..widgets.table.columns import COLUMNS, DEFAULT_COLUMNS
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .picker import PickerScreen


class ColumnPicker(PickerScreen[tuple[str, ...]]):
    """The list of all columns, the shown ones first and in their order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show", "show/hide", tooltip="Show or hide the column"),
        Binding("K,shift+up", "shift(-1)", "up", key_display="K", tooltip="Move the column left"),
        Binding("J,shift+down", "shift(1)", "down", key_display="J", tooltip="Move the column right"),
        Binding("0", "usual", "default columns", tooltip="Restore the default columns"),
    ]
    NAME = "columns"
    HEADS = (
        TableColumn("shown", "", least=1),
        TableColumn("name", "COLUMN", least=10),
        TableColumn("description", "DESCRIPTION", least=20, most=44, grow=True),
        TableColumn("fits", "", drop=1),
    )

    def __init__(self, keys: Sequence[str], fitting: Collection[str]) -> None:
        """Create the picker.

        Args:
            keys: the keys of the current columns, in their order.
            fitting: the keys of those that fit on the screen.
        """
        super().__init__()
        self._keys: list[str] = list(keys)
        self._fitting = fitting
        self._order = [*keys, *(key for key in COLUMNS if key not in keys)]

    def rows(self) -> Sequence[Row]:
        rows = []
        for key in self._order:
            column, shown = COLUMNS[key], key in self._keys
            hidden = shown and key not in self._fitting and key in self._before
            rows.append(
                Row(
                    key,
                    (
                        [("✓" if shown else "·", "good" if shown else "quiet")],
                        [(column.title.lower(), "strong" if shown else "quiet")],
                        [(column.description, "quiet")],
                        [("does not fit" * hidden, "warning")],
                    ),
                )
            )
        return rows

    def on_mount(self) -> None:
        """Show the list, and remember the initial columns."""
        self._before = frozenset(self._keys)
        super().on_mount()

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Return the columns."""
        self.dismiss(tuple(self._keys))

    def action_show(self) -> None:
        """Show or hide the column; the last one cannot be hidden."""
        key = str(self.choices.key)
        if key in self._keys and len(self._keys) > 1:
            self._keys.remove(key)
        elif key not in self._keys:
            self._keys.append(key)
            self._sort()
        self.show()
        self.choices.action_move(1)

    def action_shift(self, by: int) -> None:
        """Move the column among the others."""
        key = str(self.choices.key)
        at = self._order.index(key)
        to = max(0, min(len(self._order) - 1, at + by))
        self._order.insert(to, self._order.pop(at))
        self._sort()
        self.show()

    def action_usual(self) -> None:
        """Restore the default columns."""
        self._keys = list(DEFAULT_COLUMNS)
        self._order = [*DEFAULT_COLUMNS, *(key for key in COLUMNS if key not in DEFAULT_COLUMNS)]
        self.show()

    def _sort(self) -> None:
        self._keys.sort(key=self._order.index)
