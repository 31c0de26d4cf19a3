"""Picks a saved filter; saves the current one and deletes saved ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..text.sanitize import safe
from ..widgets.forms.line_editor import LineEditor
from ..widgets.table.keyed_table import KeyedTable, Row, TableColumn
from .picker import PickerScreen

LONGEST_NAME = 40


class SavedFiltersScreen(PickerScreen[str]):
    """The list of saved filters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "save current", tooltip="Save the current filter under a name"),
        Binding("delete,D", "forget", "delete", key_display="D", tooltip="Delete the saved filter; jobs are not affected"),
    ]
    NAME = "saved filters"
    HEADS = (TableColumn("name", "NAME", least=10, most=24), TableColumn("filter", "FILTER", least=20, most=60, grow=True))
    EMPTY = (
        [("  No saved filters yet.", "strong")],
        [("  s", "accent"), ("    saves the current filter", "quiet")],
        [("  ^s", "accent"), ("   saves it while you type it", "quiet")],
    )

    def __init__(self, saved: Mapping[str, str], now: str, keep: Callable[[Mapping[str, str]], None]) -> None:
        """Create the picker.

        Args:
            saved: name → filter.
            now: the current filter.
            keep: called after each change with all saved filters.
        """
        super().__init__()
        self._saved, self._now, self._keep = dict(saved), now, keep

    def below(self) -> Iterable[Widget]:
        yield LineEditor(id="filter-name")

    def rows(self) -> Sequence[Row]:
        return [
            Row(name, ([(safe(name), "strong")], [(safe(text), "accent" if text == self._now else "quiet")]))
            for name, text in sorted(self._saved.items())
        ]

    def on_keyed_table_opened(self, event: KeyedTable.Opened) -> None:
        """Use the selected filter."""
        self.dismiss(self._saved[str(event.key)])

    def action_save(self) -> None:
        """Save the current filter under a name."""
        if not self._now:
            self.notify("No filter to save; press / to type one", severity="warning", markup=False)
            return

        def keep(name: str) -> None:
            self._saved[name.strip()] = self._now
            self._keep(self._saved)
            self.show()
            self.choices.choose(name.strip())

        self.query_one(LineEditor).edit("name", "", check_name, keep)

    def action_forget(self) -> None:
        """Delete the selected filter."""
        if self.choices.key is not None:
            del self._saved[str(self.choices.key)]
            self._keep(self._saved)
            self.show()


def check_name(text: str) -> str | None:
    """Return the problem with a filter's name, or `None`."""
    name = text.strip()
    if not name:
        return "enter a name"
    if len(name) > LONGEST_NAME or not name.isprintable():
        return f"at most {LONGEST_NAME} printable characters"
    return None
