"""The base of the screens that digit keys open: header, screen tabs, a body that shows a query of its own, key hints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..feed.messages import Deck
from ..feed.queries import Look
from ..screen_registry import BAR, JOBS, ROOMS
from ..widgets.base.choice_bar import ChoiceBar, NumberedTabs
from ..widgets.chrome.header import Header
from ..widgets.chrome.key_hints import Hints
from ..widgets.table.keyed_table import KeyedTable
from .base import DeckScreen, TooSmall


def goings(*, above: str = "0") -> list[BindingType]:
    """Return the bindings of the digits that open a screen, for the digits greater than `above`."""
    targets = [(spec.digit, spec.name, f"'{spec.name}'", spec.told) for spec in ROOMS]
    targets += [(digit, part, f"'{spec.name}', '{part}'", text) for spec in ROOMS for digit, part, text in spec.parts]
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


class RoomScreen(DeckScreen):
    """A screen that a digit key opens. `look` returns its query and `show` shows the result.

    The feed repeats the query while the screen is the active one, and never while it is hidden.
    """

    KEYMAP_SCOPE = "views"
    SCREEN_NAME: ClassVar[str]
    """Its name in `screen_registry.ROOMS`."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "undo", "undo", show=False, tooltip="Undo your last action"),
        Binding("Z", "redo", "redo", show=False, tooltip="Redo the last undone action"),
        *goings(),
        Binding("escape,q", "back", "back", key_display="esc", tooltip="Back to the jobs"),
    ]
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header,)
    ON_CHOSEN: ClassVar[tuple[str, ...]] = ()
    """The actions on the selected row; unavailable while the screen's table is empty."""

    def __init__(self) -> None:
        super().__init__()
        self._reasons: tuple[str | None, ...] = ()
        self.deck: Deck | None = None
        """The latest snapshot of the queue, as shown in the header."""

    # -- for subclasses to implement --------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """Yield the widgets between the screen tabs and the key hints."""
        raise NotImplementedError

    def look(self) -> Look[object] | None:
        """Return the query to repeat for this screen; equal queries read the same data."""
        raise NotImplementedError

    def show(self, seen: object) -> None:
        """Show the result of the query."""
        raise NotImplementedError

    def show_deck(self, deck: Deck) -> None:
        """Show what the screen needs of the snapshot that every screen receives; the header is already updated."""

    def focus_part(self, part: str) -> None:
        """Focus the part of the screen that a digit key names."""

    # -- shared by all ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Header(self.cockpit.where, id="header")
        yield NumberedTabs(BAR, self.SCREEN_NAME, gaps=(3, 1), id="screen-tabs")
        yield from self.body()
        yield Hints(id="hints")
        yield TooSmall()

    def on_screen_resume(self) -> None:
        """Start the query when the screen becomes active."""
        self.ask()

    def ask(self) -> None:
        """Replace the feed's query by the current one, after a range, a grouping or a filter has changed."""
        self.cockpit.feed.watch(self.look())

    def see(self, look: Look[object], seen: object) -> None:
        """Show the result of a query, unless the query has changed since."""
        if self.whole and look == self.look():
            self.show(seen)
            self.hint()

    def see_deck(self, deck: Deck) -> None:
        """Receive the latest snapshot."""
        self.deck = deck
        if self.whole:
            self.query_one(Header).show(deck)
            self.show_deck(deck)
            self.hint()

    def why_not(self, action: str) -> str | None:
        tables = self.query(KeyedTable)
        return "The list is empty" if action in self.ON_CHOSEN and tables and not tables.first().rows else None

    def hint(self) -> None:
        """Dim the hints of unavailable actions."""
        reasons = tuple(self.why_not(action) for action in self.ON_CHOSEN)
        if reasons != self._reasons:
            self._reasons = reasons
            self.query_one(Hints).refresh()

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

    def action_undo(self) -> None:
        """Undo the last action."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Redo the last undone action."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()
