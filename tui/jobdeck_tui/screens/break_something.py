"""Picks what to break in the demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from ..demo.faults import FAULTS
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .picker import PickerScreen


class BreakScreen(PickerScreen[str]):
    """The list of faults. It returns the name of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(n), f"cause({n})", title, show=False, tooltip=fault.title)
        for n, (title, fault) in enumerate(FAULTS.items(), 1)
    ]
    NAME = "break something"
    HEADS = (
        TableColumn("number", ""),
        TableColumn("fault", "FAULT", least=27),
        TableColumn("heals", "HOW IT HEALS", least=20, most=46, grow=True, drop=1),
    )

    def rows(self) -> Sequence[Row]:
        return [
            Row(each.name, ([(str(n), "accent")], [(each.title, "strong")], [(each.heals, "quiet")]))
            for n, each in enumerate(FAULTS.values(), 1)
        ]

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Return the chosen fault."""
        self.dismiss(str(event.key))

    def action_cause(self, number: int) -> None:
        """Return the fault with this number."""
        self.dismiss([*FAULTS][number - 1])
