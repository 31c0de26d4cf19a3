"""The first line of every screen: the database, whether the view is live, and the number of jobs in each state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.events import Click
from textual.message import Message

from jobdeck import State

from ...feed.connection_status import ConnectionStatus
from ...feed.messages import DashboardSnapshot
from ...text.format import GLYPHS, age, number, short_number
from ...text.sanitize import safe
from ..base.panel import LineWidget
from ..base.strips import Piece, fit, width_of

_PART = 12
"""The minimum width of a cut path: a shorter one does not identify the database."""
_SHOWN = (State.PENDING, State.RUNNING, State.RETRYING, State.FAILED, State.COMPLETED)


class Header(LineWidget):
    """Path, liveness and counts. A click on a count lists those jobs."""

    class Chosen(Message):
        """A count was clicked."""

        def __init__(self, state: State) -> None:
            super().__init__()
            self.state = state

    class LogRequested(Message):
        """The warning mark was clicked."""

    def __init__(
        self,
        where: str,
        *,
        readonly: bool = False,
        snapshot: DashboardSnapshot | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Create the header.

        Args:
            where: the database's path or address.
            readonly: show that this cockpit changes nothing.
            snapshot: the counts to begin with, if they are known.
            id: its id on the screen.
            classes: its classes in the stylesheet.
        """
        super().__init__(id=id, classes=classes)
        self._where = where
        self._readonly = readonly
        self._deck = snapshot
        self._plight: ConnectionStatus | None = None
        self._frozen_at: float | None = None
        self._places: list[tuple[int, int, State]] = []
        self._warnings = 0
        self._mark = (0, 0)

    def show(self, snapshot: DashboardSnapshot) -> None:
        """Show these counts."""
        self._deck = snapshot
        self.redraw()

    def show_status(self, status: ConnectionStatus | None) -> None:
        """Show a problem with the database instead of the counts; `None` if there is no problem."""
        if status != self._plight:
            self._plight = status
            self.refresh()

    def show_frozen(self, age: float | None) -> None:
        """Show the number of seconds that the view has been frozen; `None` for live."""
        self._frozen_at = age
        self.refresh()

    def show_warnings(self, unseen: int) -> None:
        """Show the number of unread warnings of the program itself."""
        if unseen != self._warnings:
            self._warnings = unseen
            self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet, strong = self.style("quiet"), self.style("strong")
        left: list[Piece] = [(" jobdeck", strong)]
        if self._plight is not None:
            self._places = []
            return [*left, *self._problem(self._plight, width - width_of(left))]
        live: Piece = ("  ● LIVE", self.style("good"))
        if self._frozen_at is not None:
            live = (f"  ‖ FROZEN {self._frozen_at:.0f}s", self.style("warning"))
        elif self._deck is None:
            live = ("  ○ opening", quiet)
        left.append(live)
        if self._readonly:
            left.append(("  read-only", self.style("warning")))
        if self._warnings:
            left.append((f"  ! {short_number(self._warnings)}", self.style("warning")))
        where = safe(self._where.removeprefix("http://").removeprefix("https://"))
        counts = self._counts(width - width_of(left) - 2, min_path_width(where) + 2)
        room = width - width_of(left) - width_of([piece for piece, _ in counts]) - 4
        if shown := fit_path(where, room):
            left.insert(1, ("  " + shown, quiet))
        end = width_of(left)
        self._mark = (end - len(left[-1][0]) + 1, end) if self._warnings else (0, 0)
        blanks = max(1, width - width_of(left) - width_of([piece for piece, _ in counts]) - 1)
        self._places = []
        at = width_of(left) + blanks
        for piece, state in counts:
            self._places.append((at, at + width_of([piece]), state))
            at += width_of([piece])
        return [*left, (" " * blanks, quiet), *(piece for piece, _ in counts)]

    def _problem(self, status: ConnectionStatus, room: int) -> list[Piece]:
        style = self.style("error" if status.word == "STALE" else "warning")
        word: Piece = (f"  ● {status.word} {age(status.seconds)}  ", style)
        text = safe(status.text)
        more = [part for part in (status.activity, status.remedy) if part]
        room -= width_of([word]) + 1
        if cell_len(" · ".join((text, *more[:1]))) > room:
            text = text.removeprefix("the database ").removeprefix("the file ")
        while more and cell_len(" · ".join((text, *more))) > room:
            more.pop()
        return [word, (fit(text, min(room, cell_len(text))), style), *((f" · {part}", self.style("quiet")) for part in more)]

    def _counts(self, room: int, path: int) -> list[tuple[Piece, State]]:
        if self._deck is None:
            return []
        counts = self._deck.overview.counts
        some_wait = [State.WAITING] * bool(counts.get(State.WAITING))  # most queues never have dependencies
        # What is given up for the path, in this order: thousands separators, the less important states, words for glyphs,
        # and at last one count after the other.
        every = (*_SHOWN, State.SCHEDULED, *some_wait, State.CANCELLED)
        for states, words in ((every, True), (_SHOWN, True), (every, False), *((_SHOWN[:n], False) for n in (5, 4, 3, 2, 1))):
            for show in (number, short_number):
                made = [self._count(state, counts.get(state, 0), words, show) for state in states]
                if width_of([piece for piece, _ in made]) + path <= room:
                    return made
        return []

    def _count(self, state: State, n: int, words: bool, show: Callable[[int], str]) -> tuple[Piece, State]:
        label = state.value if words else GLYPHS[state]
        return (f"  {label} {show(n)}", self.state_style(state) if n else self.style("quiet")), state

    def on_click(self, event: Click) -> None:
        """List the jobs of the clicked count, or open the log."""
        if self._mark[0] <= event.x < self._mark[1]:
            self.post_message(self.LogRequested())
        for start, end, state in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(state))


def min_path_width(path: str) -> int:
    """Return the columns that `fit_path` needs to show the file name, or a recognizable part of it."""
    return min(len(path), len(path.rpartition("/")[2]) + 2, _PART)


def fit_path(path: str, room: int) -> str:
    """Return as much of the path as fits: all of it, its file name, its end, or nothing."""
    name = "…/" + path.rpartition("/")[2]
    for shown in (path, name):
        if len(shown) <= room:
            return shown
    return "…" + path[-(room - 1) :] if room >= _PART else ""
