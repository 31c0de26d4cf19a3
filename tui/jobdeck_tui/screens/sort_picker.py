"""The order of the job table, chosen from a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ..widgets.table.columns import COLUMNS, SORTS
from ..widgets.table.keyed_table import Head, KeyedTable, Row
from .picker import ChooserScreen

_TOLD = {column.sort: column.told for column in COLUMNS.values() if column.key != "created"} | {
    "age": "when it was enqueued",
    "error": "its newest error",
    "args": "its arguments, as text",
}


class OrderScreen(ChooserScreen[tuple[str, bool]]):
    """Every order there is. The one that holds turns round when it is chosen again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("S", "reverse", "turn round", tooltip="Turn the order round that holds now"),
    ]
    NAME = "order"
    HEADS = (Head("name", "SORT BY", least=12), Head("told", "WHAT IT IS", least=20, most=44, grow=True), Head("now", "NOW"))

    def __init__(self, sort: str, *, descending: bool) -> None:
        super().__init__()
        self._sort, self._descending = sort, descending

    def on_mount(self) -> None:
        """Begin where it is now."""
        super().on_mount()
        self.choices.choose(self._sort)

    def rows(self) -> Sequence[Row]:
        return [
            Row(
                sort,
                (
                    [(name, "strong" if sort == self._sort else "")],
                    [(_TOLD[sort], "quiet")],
                    [(("▼ largest first" if self._descending else "▲ smallest first") * (sort == self._sort), "accent")],
                ),
            )
            for sort, name in SORTS.items()
        ]

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Take this order."""
        sort = str(event.key)
        self.dismiss((sort, not self._descending if sort == self._sort else True))

    def action_reverse(self) -> None:
        """Turn the order round that holds now."""
        self.dismiss((self._sort, not self._descending))
