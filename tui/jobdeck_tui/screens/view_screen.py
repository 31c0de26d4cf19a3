"""The base of the screens that digit keys open: header, screen tabs, a body that shows a query of its own, key hints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..app_base import changes_queue
from ..feed.messages import DashboardSnapshot
from ..feed.queries import ScreenQuery
from ..screen_registry import BAR, JOBS, SCREENS
from ..widgets.base.choice_bar import ChoiceBar, NumberedTabs
from ..widgets.chrome.header import Header
from ..widgets.chrome.key_hints import KeyHints
from ..widgets.table.keyed_table import KeyedTable
from .base import CockpitScreen, TooSmall


def screen_bindings(*, above: str = "0") -> list[BindingType]:
    """Return the bindings of the digits that open a screen, for the digits greater than `above`."""
    targets = [(spec.digit, spec.name, f"'{spec.name}'", spec.description) for spec in SCREENS]
    targets += [(digit, part, f"'{spec.name}', '{part}'", text) for spec in SCREENS for digit, part, text in spec.parts]
    targets.append(("5", JOBS, f"'{JOBS}'", "The main screen"))
    return [
        Binding(
            digit,
            f"app.open_screen({arguments})",
            name,
            show=False,
            tooltip=f"{name[:1].upper()}{name[1:]}: {text[:1].lower()}{text[1:]}",
        )
        for digit, name, arguments, text in sorted(targets)
        if digit > above
    ]


class ViewScreen(CockpitScreen):
    """A screen that a digit key opens. `look` returns its query and `show` shows the result.

    The feed repeats the query while the screen is the active one, and never while it is hidden.
    """

    KEYMAP_SCOPE = "views"
    SCREEN_NAME: ClassVar[str]
    """Its name in `screen_registry.SCREENS`."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "undo", "undo", show=False, tooltip="Undo your last action"),
        Binding("Z", "redo", "redo", show=False, tooltip="Redo the last undone action"),
        *screen_bindings(),
        Binding("escape,q", "back", "back", key_display="esc", tooltip="Back to the jobs"),
    ]
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header,)
    ON_SELECTED: ClassVar[tuple[str, ...]] = ()
    """The actions on the selected row; unavailable while the screen's table is empty."""

    def __init__(self) -> None:
        super().__init__()
        self._reasons: tuple[str | None, ...] = ()
        self.snapshot: DashboardSnapshot | None = None
        """The latest snapshot of the queue, as shown in the header."""

    # -- for subclasses to implement --------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """Yield the widgets between the screen tabs and the key hints."""
        raise NotImplementedError

    def current_query(self) -> ScreenQuery[object] | None:
        """Return the query to repeat for this screen; equal queries read the same data."""
        raise NotImplementedError

    def show(self, seen: object) -> None:
        """Show the result of the query."""
        raise NotImplementedError

    def show_snapshot(self, snapshot: DashboardSnapshot) -> None:
        """Show what the screen needs of the snapshot that every screen receives; the header is already updated."""

    def focus_part(self, part: str) -> None:
        """Focus the part of the screen that a digit key names."""

    # -- shared by all ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Header(self.cockpit.where, readonly=self.cockpit.readonly, snapshot=self.snapshot, id="header")
        yield NumberedTabs(BAR, self.SCREEN_NAME, gaps=(3, 1), id="screen-tabs")
        yield from self.body()
        yield KeyHints(id="hints")
        yield TooSmall()

    def on_screen_resume(self) -> None:
        """Start the query when the screen becomes active."""
        self.restart_query()

    def restart_query(self) -> None:
        """Replace the feed's query by the current one, after a range, a grouping or a filter has changed."""
        self.cockpit.feed.poll(self.current_query())

    def receive_result(self, query: ScreenQuery[object], seen: object) -> None:
        """Show the result of a query, unless the query has changed since."""
        if self.is_ready and query == self.current_query():
            self.show(seen)
            self.update_hints()

    def receive_snapshot(self, snapshot: DashboardSnapshot) -> None:
        """Receive the latest snapshot."""
        self.snapshot = snapshot
        if self.is_ready:
            self.query_one(Header).show(snapshot)
            self.show_snapshot(snapshot)
            self.update_hints()

    def disabled_reason(self, action: str) -> str | None:
        tables = self.query(KeyedTable)
        return "The list is empty" if action in self.ON_SELECTED and tables and not tables.first().rows else None

    def update_hints(self) -> None:
        """Dim the hints of unavailable actions."""
        reasons = tuple(self.disabled_reason(action) for action in self.ON_SELECTED)
        if reasons != self._reasons:
            self._reasons = reasons
            self.query_one(KeyHints).refresh()

    @on(ChoiceBar.Chosen, "#screen-tabs")
    def open_clicked_screen(self, event: ChoiceBar.Chosen) -> None:
        """Open the clicked screen."""
        self.cockpit.action_open_screen(event.value)

    def on_header_chosen(self, event: Header.Chosen) -> None:
        """Show the jobs of the clicked state."""
        self.cockpit.show_jobs(f"state:{event.state.value}")

    def action_back(self) -> None:
        """Return to the main screen."""
        self.cockpit.action_open_screen("jobs")

    @changes_queue
    def action_undo(self) -> None:
        """Undo the last action."""
        self.cockpit.feed.undo()

    @changes_queue
    def action_redo(self) -> None:
        """Redo the last undone action."""
        self.cockpit.feed.redo()
