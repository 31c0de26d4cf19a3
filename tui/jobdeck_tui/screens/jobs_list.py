"""The part of the main screen that selects the listed jobs, their order and their columns, and remembers the choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from textual import on

from ..feed.filter_completion import Vocabulary, sample
from ..feed.messages import DashboardSnapshot, View
from ..text.format import queue_filter
from ..widgets.base.choice_bar import ChoiceBar
from ..widgets.chrome.header import Header
from ..widgets.chrome.state_tabs import StateTabs
from ..widgets.dashboard.queues import QueuesPanel
from ..widgets.forms.line_editor import LineEditor
from ..widgets.table.columns import SORTS, known_columns
from ..widgets.table.filter_bar import FilterBar
from ..widgets.table.job_table import JobTable
from .base import CockpitScreen
from .column_picker import ColumnPicker
from .saved_filters import SavedFiltersScreen, check_name
from .sort_picker import SortPicker

HISTORY = 50
"""Number of filters in the history."""
_SORT, _COLUMNS, _HISTORY, _SAVED = "table.sort", "table.columns", "filters.history", "filters.saved"
"""The names of the preferences."""


class JobsList(CockpitScreen):
    """The main screen's filter, tabs, order and columns."""

    def __init__(self, *, look_back: float) -> None:
        super().__init__()
        self.view = View(seconds=look_back)
        """The requested view; the shown snapshot may still be of the previous one."""
        self.snapshot: DashboardSnapshot | None = None
        """The shown snapshot."""

    @cached_property
    def table(self) -> JobTable:
        """The job table; cached, as every key press needs it."""
        return self.query_one(JobTable)

    @cached_property
    def _bar(self) -> FilterBar:
        return self.query_one(FilterBar)

    def update_titles(self) -> None:
        """Update the titles in the frame of the table."""
        raise NotImplementedError

    def chart_slots(self) -> int:
        """Return the number of time slices that the charts have space for."""
        raise NotImplementedError

    # -- the view ---------------------------------------------------------------------------------

    def restore_preferences(self) -> None:
        """Restore the order and the columns of the last session."""
        remembered = self.cockpit.preferences
        order: list[object] = remembered.get(_SORT, [])
        if len(order) == 2 and order[0] in SORTS and isinstance(order[1], bool):
            self.view = replace(self.view, sort=str(order[0]), descending=order[1])
        columns: list[object] = remembered.get(_COLUMNS, [])
        self.table.choose(known_columns(columns))

    def request_view(self, **changes: object) -> None:
        """Request the current view from the feed, with these changes to it."""
        table = self.table
        view = replace(self.view, top=table.top, rows=table.rows, slices=self.chart_slots())
        self.view = replace(view, **changes)  # type: ignore[arg-type]
        self.cockpit.feed.set_view(self.view)

    # -- order and columns ------------------------------------------------------------------------

    def on_job_table_sort_requested(self, event: JobTable.SortRequested) -> None:
        """Sort by the clicked column; a second click reverses the order."""
        self._sort(event.sort, not self.view.descending if event.sort == self.view.sort else True)

    def action_sort(self) -> None:
        """Sort by the next visible column."""
        sorts = [*dict.fromkeys(column.sort for column in self.table.columns)] or ["id"]
        at = sorts.index(self.view.sort) if self.view.sort in sorts else -1
        self._sort(sorts[(at + 1) % len(sorts)], True)

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self._sort(self.view.sort, not self.view.descending)

    def action_order(self) -> None:
        """Pick the sort order from a list."""

        def apply(order: tuple[str, bool] | None) -> None:
            if order is not None:
                self._sort(*order)

        self.app.push_screen(SortPicker(self.view.sort, descending=self.view.descending), apply)

    def _sort(self, sort: str, descending: bool) -> None:
        """Sort, and show the first jobs of that order: the selected one may be anywhere in it."""
        self.table.release()
        self.request_view(sort=sort, descending=descending)
        self.cockpit.preferences.put(_SORT, [sort, descending])
        self.update_titles()

    def action_columns(self) -> None:
        """Pick the columns from a list."""

        def apply(keys: tuple[str, ...] | None) -> None:
            if keys is not None:
                self.table.choose(keys)
                self.cockpit.preferences.put(_COLUMNS, list(keys))

        self.app.push_screen(ColumnPicker(self.table.keys, {column.key for column in self.table.columns}), apply)

    # -- tabs -------------------------------------------------------------------------------------

    @on(ChoiceBar.Chosen, "#tabs")
    def open_clicked_tab(self, event: ChoiceBar.Chosen) -> None:
        """Open the tab that was clicked."""
        self.open_tab(event.value)

    def on_header_chosen(self, event: Header.Chosen) -> None:
        """Open the tab of the clicked count."""
        self.open_tab(event.state.value)

    def action_tab(self, by: int) -> None:
        """Open the next or the previous tab."""
        self.open_tab(self.query_one(StateTabs).after(by))

    def open_tab(self, tab: str) -> None:
        """List the jobs of one state, or of all."""
        self.query_one(StateTabs).open(tab)
        self.table.action_clear_marks()
        self.request_view(tab=tab)

    # -- the filter -------------------------------------------------------------------------------

    def on_queues_panel_chosen(self, event: QueuesPanel.Chosen) -> None:
        """Show the jobs of the queue."""
        self.show_matching(queue_filter(event.name))

    def action_filter(self) -> None:
        """Open the filter."""
        bar = self._bar
        bar.history = self._history
        bar.open(self.view.filter)
        self._add_words(bar.words)
        self.cockpit.feed.query(sample, self._add_words)
        self.show_filter()

    def _add_words(self, words: Vocabulary) -> None:
        """Add completion candidates to the filter."""
        queues = [queue.name for queue in self.snapshot.overview.queues] if self.snapshot else []
        self._bar.words = words.also(queue=queues, kind=[kind.name for kind in self.cockpit.kinds])

    def show_filter(self) -> None:
        """Show the number of matches or the error in the filter."""
        if self.snapshot is not None:
            self._bar.show(self.snapshot.page)

    def on_filter_bar_typed(self, event: FilterBar.Typed) -> None:
        """Filter while the user types."""
        if event.text != self.view.filter:
            self.request_view(filter=event.text)

    def on_filter_bar_kept(self) -> None:
        """Keep the filter, and add it to the history."""
        text = self._bar.value.strip()
        if text:
            self.cockpit.preferences.put(_HISTORY, [text, *(each for each in self._history if each != text)][:HISTORY])
        self._close_filter()

    def on_filter_bar_cleared(self) -> None:
        """Clear the filter."""
        self._close_filter()
        self.filter("")

    def on_filter_bar_save_requested(self) -> None:
        """Save the filter under a name."""
        text = self._bar.value.strip()

        def save(name: str) -> None:
            self._store_filters({**self._saved, name.strip(): text})
            self.cockpit.notify_user(f"Saved as {name.strip()} · F to use it")

        self.query_one("#line-editor", LineEditor).edit("save as", "", check_name, save)

    @property
    def _history(self) -> list[str]:
        earlier: list[object] = self.cockpit.preferences.get(_HISTORY, [])
        return [text for text in earlier if isinstance(text, str)]

    @property
    def _saved(self) -> dict[str, str]:
        saved: dict[str, object] = self.cockpit.preferences.get(_SAVED, {})
        return {name: text for name, text in saved.items() if isinstance(text, str)}

    def _store_filters(self, saved: Mapping[str, str]) -> None:
        self.cockpit.preferences.put(_SAVED, dict(saved))

    def action_filters(self) -> None:
        """Pick a saved filter, or save the current one."""

        def apply(text: str | None) -> None:
            if text is not None:
                self.show_matching(text)

        self.app.push_screen(SavedFiltersScreen(self._saved, self.view.filter, self._store_filters), apply)

    def show_matching(self, text: str) -> None:
        """Show the jobs of every state that match a filter."""
        self._close_filter()
        self.open_tab("all")
        self.filter(text)

    def filter(self, text: str) -> None:
        """Show the jobs that match a filter."""
        self.table.action_clear_marks()
        self.request_view(filter=text)
        self.update_titles()

    def _close_filter(self) -> None:
        self._bar.close()
        self.table.focus()
        self.update_titles()
