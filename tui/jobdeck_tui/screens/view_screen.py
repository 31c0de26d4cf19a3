"""What the screens beside the jobs share: header, the bar of screens, a body that follows a look of its own, hints."""

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
    """The digits that open a screen, of those above a digit."""
    ways = [(room.digit, room.name, f"'{room.name}'", room.told) for room in ROOMS]
    ways += [(digit, part, f"'{room.name}', '{part}'", told) for room in ROOMS for digit, part, told in room.parts]
    ways.append(("5", JOBS, f"'{JOBS}'", "The main screen"))
    return [
        Binding(
            digit,
            f"app.room({where})",
            name,
            show=False,
            tooltip=f"{name[:1].upper()}{name[1:]}: {told[:1].lower()}{told[1:]}",
        )
        for digit, name, where, told in sorted(ways)
        if digit > above
    ]


class RoomScreen(DeckScreen):
    """A screen that a digit opens. It says what it looks at (`look`) and shows what was read (`show`).

    The feed reads the look again and again while the screen is the one in front, and never while it is hidden.
    """

    ROOM: ClassVar[str]
    """Its name in `rooms.ROOMS`."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "undo", "undo", show=False, tooltip="Take back what you did last: an act on jobs, or a pause"),
        Binding("Z", "redo", "redo", show=False, tooltip="Do again what you have undone last"),
        *goings(),
        Binding("escape,q", "back", "back", key_display="esc", tooltip="Back to the jobs"),
    ]
    PARTS: ClassVar[tuple[type[Widget], ...]] = (Header,)
    ON_CHOSEN: ClassVar[tuple[str, ...]] = ()
    """Actions on the row that is chosen: they do nothing where the table of the screen is empty."""

    def __init__(self) -> None:
        super().__init__()
        self._hinted: tuple[str | None, ...] = ()
        self.deck: Deck | None = None
        """The newest snapshot of the queue; what the header shows."""

    # -- for each screen to say ------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """The widgets between the bar and the hints."""
        raise NotImplementedError

    def look(self) -> Look[object] | None:
        """What to read for this screen, again and again; equal looks mean the same reading."""
        raise NotImplementedError

    def show(self, seen: object) -> None:
        """Show what the look has read."""
        raise NotImplementedError

    def show_deck(self, deck: Deck) -> None:
        """Show what the screen needs of the snapshot that every screen gets. The header has been shown."""

    def focus_part(self, part: str) -> None:
        """Go to a part of the screen, where a digit names one."""

    # -- what they share ---------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Header(self.cockpit.where, id="header")
        yield NumberedTabs(BAR, self.ROOM, gaps=(3, 1), id="screen-tabs")
        yield from self.body()
        yield Hints(id="hints")
        yield TooSmall()

    def on_screen_resume(self) -> None:
        """Look while in front."""
        self.ask()

    def ask(self) -> None:
        """Look at what the screen wants to see now: after a range, a grouping or a filter has changed."""
        self.cockpit.feed.watch(self.look())

    def see(self, look: Look[object], seen: object) -> None:
        """Show what was read, if it is what is wanted now."""
        if self.whole and look == self.look():
            self.show(seen)
            self.hint()

    def see_deck(self, deck: Deck) -> None:
        """Take the newest snapshot."""
        self.deck = deck
        if self.whole:
            self.query_one(Header).show(deck)
            self.show_deck(deck)
            self.hint()

    def why_not(self, action: str) -> str | None:
        tables = self.query(KeyedTable)
        return "There is nothing to act on" if action in self.ON_CHOSEN and tables and not tables.first().rows else None

    def hint(self) -> None:
        """Dim the hints of keys that do nothing now."""
        hinted = tuple(self.why_not(action) for action in self.ON_CHOSEN)
        if hinted != self._hinted:
            self._hinted = hinted
            self.query_one(Hints).refresh()

    @on(ChoiceBar.Chosen, "#screen-tabs")
    def open_clicked_screen(self, event: ChoiceBar.Chosen) -> None:
        """Open the screen that was clicked."""
        self.cockpit.action_room(event.value)

    def on_header_chosen(self, event: Header.Chosen) -> None:
        """Show the jobs whose count was clicked."""
        self.cockpit.show_jobs(f"state:{event.state.value}")

    def action_back(self) -> None:
        """Back to the jobs."""
        self.cockpit.action_room("jobs")

    def action_undo(self) -> None:
        """Take back the newest act."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.undo()

    def action_redo(self) -> None:
        """Do again what was undone last."""
        if not self.cockpit.refuse_readonly():
            self.cockpit.feed.redo()
