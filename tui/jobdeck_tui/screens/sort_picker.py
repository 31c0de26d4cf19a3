"""Picks the sort order of the job table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ..widgets.table.columns import COLUMNS, SORTS
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .picker import PickerScreen

_DESCRIPTIONS = {column.sort: column.description for column in COLUMNS.values() if column.key != "created"} | {
    "age": "the time since it was enqueued",
    "error": "its latest error",
    "args": "its arguments, as text",
}


class SortPicker(PickerScreen[tuple[str, bool]]):
    """The list of all sort orders. Selecting the current one reverses it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("S", "reverse", "reverse", tooltip="Reverse the current sort order"),
    ]
    NAME = "order"
    HEADS = (
        TableColumn("name", "SORT BY", least=12),
        TableColumn("description", "DESCRIPTION", least=20, most=44, grow=True),
        TableColumn("now", "NOW"),
    )

    def __init__(self, sort: str, *, descending: bool) -> None:
        super().__init__()
        self._sort, self._descending = sort, descending

    def on_mount(self) -> None:
        """Select the current sort order."""
        super().on_mount()
        self.choices.choose(self._sort)

    def rows(self) -> Sequence[Row]:
        return [
            Row(
                sort,
                (
                    [(name, "strong" if sort == self._sort else "")],
                    [(_DESCRIPTIONS[sort], "quiet")],
                    [(("▼ largest first" if self._descending else "▲ smallest first") * (sort == self._sort), "accent")],
                ),
            )
            for sort, name in SORTS.items()
        ]

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Return the selected order."""
        sort = str(event.key)
        self.dismiss((sort, not self._descending if sort == self._sort else True))

    def action_reverse(self) -> None:
        """Return the current order reversed."""
        self.dismiss((self._sort, not self._descending))
