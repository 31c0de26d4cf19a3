"""The tabs of the jobs panel: all jobs, or those of one state, each with its count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobdeck import Overview, State

from ...text.format import short_number
from ..base.choice_bar import Choice, ChoiceBar, Part
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


_MORE = " …"
"""The mark of further tabs to the right."""


class StateTabs(ChoiceBar):
    """Tabs with counts. If they do not fit, they move closer together, and then scroll as far as the open one needs."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tab = "all"
        """The open tab."""
        self._overview: Overview | None = None

    def show(self, overview: Overview) -> None:
        """Show these counts."""
        self._overview = overview
        self.redraw()

    def open(self, tab: str) -> None:
        """Open a tab."""
        self.tab = tab
        self.refresh()

    def after(self, by: int) -> str:
        """Return the tab `by` places to the right, wrapping around at the ends."""
        tabs = self._tabs()
        return tabs[(tabs.index(self.tab) + by) % len(tabs)]

    def _tabs(self) -> list[str]:
        """Return the tabs to show. Omits "waiting" unless a job waits for another: most queues never have any."""
        counts = self._overview.counts if self._overview else {}
        return [tab for tab in _ALL_TABS if tab != State.WAITING.value or counts.get(State.WAITING) or tab == self.tab]

    def compose_line(self, width: int) -> Iterable[Part]:
        yield [(" ", self.style("quiet"))], None
        tabs = self._tabs()
        close = self._width_of(tabs, close=False) > width
        scrolls = close and self._width_of(tabs, close=True) > width
        tabs = tabs[self._first(tabs, width) if scrolls else 0 :]
        used = 1
        for order, tab in enumerate(tabs):
            pieces = self._tab(tab, close=close)
            used += width_of(pieces)
            if used + (len(_MORE) if scrolls and order < len(tabs) - 1 else 0) > width:
                yield [(_MORE, self.style("quiet"))], None
                break
            yield pieces, Choice(tab)

    def _width_of(self, tabs: Sequence[str], *, close: bool) -> int:
        return 1 + sum(width_of(self._tab(tab, close=close)) for tab in tabs)

    def _first(self, tabs: Sequence[str], width: int) -> int:
        """Return the index of the first tab to show: the smallest that leaves the open tab in view."""
        open_at = tabs.index(self.tab)
        room = width - (len(_MORE) if open_at < len(tabs) - 1 else 0)
        first = 0
        while first < open_at and self._width_of(tabs[first : open_at + 1], close=True) > room:
            first += 1
        return first

    def _tab(self, tab: str, *, close: bool) -> list[Piece]:
        quiet = self.style("quiet")
        counts = self._overview.counts if self._overview else {}
        n = sum(counts.values()) if tab == "all" else counts.get(State(tab), 0)
        count = f" {short_number(n)}" if n else ""
        if tab == self.tab:
            return [(f"[{tab}{count}]", self.style("strong"))]
        style = self.state_style(State(tab)) if tab in ("failed", "retrying") and n else quiet
        return [(f" {tab}", quiet), (count if close else f"{count} ", style)]
