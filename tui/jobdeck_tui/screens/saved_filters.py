"""Filters that were saved under a name: one is chosen, or forgotten, or the one in use is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..text.sanitize import safe
from ..widgets.forms.line_editor import LineEditor
from ..widgets.table.keyed_table import Head, KeyedTable, Row
from .picker import ChooserScreen

LONGEST_NAME = 40


class SavedFiltersScreen(ChooserScreen[str]):
    """The saved filters, by name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "save the one in use", tooltip="Save the filter in use under a name"),
        Binding("delete,D", "forget", "forget", key_display="D", tooltip="Forget the saved filter; no job is touched"),
    ]
    NAME = "saved filters"
    HEADS = (Head("name", "NAME", least=10, most=24), Head("filter", "FILTER", least=20, most=60, grow=True))
    EMPTY = (
        [("  No filter is saved yet.", "strong")],
        [("  s", "accent"), ("    saves the one in use", "quiet")],
        [("  ^s", "accent"), ("   does so while it is typed", "quiet")],
    )

    def __init__(self, saved: Mapping[str, str], now: str, keep: Callable[[Mapping[str, str]], None]) -> None:
        """Open on what is saved.

        Args:
            saved: name → filter.
            now: the filter in use.
            keep: called with what is saved from now on, after each change.
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
        """Use this filter."""
        self.dismiss(self._saved[str(event.key)])

    def action_save(self) -> None:
        """Save the filter in use under a name."""
        if not self._now:
            self.notify("There is no filter to save: / types one", severity="warning", markup=False)
            return

        def keep(name: str) -> None:
            self._saved[name.strip()] = self._now
            self._keep(self._saved)
            self.show()
            self.choices.choose(name.strip())

        self.query_one(LineEditor).edit("name", "", check_name, keep)

    def action_forget(self) -> None:
        """Forget the chosen one."""
        if self.choices.key is not None:
            del self._saved[str(self.choices.key)]
            self._keep(self._saved)
            self.show()


def check_name(text: str) -> str | None:
    """What is wrong with the name of a filter."""
    name = text.strip()
    if not name:
        return "needs a name"
    if len(name) > LONGEST_NAME or not name.isprintable():
        return f"at most {LONGEST_NAME} printable characters"
    return None
