"""The tabs of the jobs panel: all jobs, or those of one state, each with its count."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message

from jobdeck import Overview, State

from ...text.format import short_number
from ..base.panel import Drawn
from ..base.strips import Piece, width_of

_ALL_TABS = (
    "all",
    *(
        state.value
        for state in (
            State.PENDING,
            State.RUNNING,
            State.RETRYING,
            State.FAILED,
            State.COMPLETED,
            State.SCHEDULED,
            State.WAITING,
            State.CANCELLED,
        )
    ),
)


class StateTabs(Drawn):
    """One line: the tab that is open stands out."""

    class Chosen(Message):
        """Open this tab."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tab = "all"
        self._overview: Overview | None = None
        self._places: list[tuple[int, int, str]] = []

    def show(self, overview: Overview) -> None:
        """Show these counts."""
        self._overview = overview
        self.redraw()

    def open(self, tab: str) -> None:
        """Open a tab."""
        self.tab = tab
        self.refresh()

    def after(self, by: int) -> str:
        """The tab `by` places to the right, round and round."""
        tabs = self._tabs()
        return tabs[(tabs.index(self.tab) + by) % len(tabs)]

    def _tabs(self) -> list[str]:
        """The tabs there are. Jobs that wait for others have one only where there are any: most queues know none."""
        counts = self._overview.counts if self._overview else {}
        return [tab for tab in _ALL_TABS if tab != State.WAITING.value or counts.get(State.WAITING) or tab == self.tab]

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        pieces: list[Piece] = [(" ", self.style("quiet"))]
        self._places = []
        tabs = self._tabs()
        for tab in tabs[self._first(tabs, width) :]:
            made = self._tab(tab)
            if width_of(pieces) + width_of(made) > width:
                break
            self._places.append((width_of(pieces), width_of(pieces) + width_of(made), tab))
            pieces += made
        return pieces

    def _first(self, tabs: Sequence[str], width: int) -> int:
        """The first tab shown: as many go from the left as it takes to show the open one."""
        open_at = tabs.index(self.tab)
        widths = [width_of(self._tab(tab)) for tab in tabs]
        first = 0
        while first < open_at and 1 + sum(widths[first : open_at + 1]) > width:
            first += 1
        return first

    def _tab(self, tab: str) -> list[Piece]:
        quiet = self.style("quiet")
        counts = self._overview.counts if self._overview else {}
        n = sum(counts.values()) if tab == "all" else counts.get(State(tab), 0)
        compact = self.size.width < 100
        name = tab[:9] if not compact else {"completed": "done", "scheduled": "later", "cancelled": "canc."}.get(tab, tab)
        count = f" {short_number(n)}" if n else ""
        if tab == self.tab:
            return [(f"[{name}{count}]", self.style("strong"))]
        style = self.state_style(State(tab)) if tab in ("failed", "retrying") and n else quiet
        return [(f" {name}", quiet), (f"{count} ", style)]

    def on_click(self, event: Click) -> None:
        """Open with the mouse."""
        for begin, end, tab in self._places:
            if begin <= event.x < end:
                self.post_message(self.Chosen(tab))
