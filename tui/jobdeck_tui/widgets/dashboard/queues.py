"""The queues panel: the depth of each queue as a bar. The selected queue can be paused, or its jobs listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from jobdeck import Limits, Overview, QueueInfo, State

from ...app_base import changes_queue
from ...text.format import limits_text, number
from ...text.sanitize import safe
from ..base.panel import Panel
from ..base.strips import Piece, fit

_PART = " ▏▎▍▌▋▊▉█"
_LIMITED = "≤"
"""The mark of a queue with limits."""


class QueuesPanel(Panel):
    """Queues by depth, the deepest first."""

    digit = 3
    label = "queues"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "next", show=False, system=True),
        Binding("k,up", "move(-1)", "previous", show=False, system=True),
        Binding("enter", "choose", "show its jobs", tooltip="List the jobs of the selected queue"),
        Binding("p", "pause", "pause/resume", tooltip="Pause or resume the selected queue"),
    ]

    class Chosen(Message):
        """The user asks to list the jobs of a queue."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class PauseRequested(Message):
        """The user asks to pause or resume a queue."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._overview: Overview | None = None
        self._queues: list[QueueInfo] = []
        self._chosen: str | None = None

    def show(self, overview: Overview) -> None:
        """Show these queues."""
        self._overview = overview
        self._queues = sorted(overview.queues, key=lambda queue: (-queue.pending, -sum(queue.counts.values()), queue.name))
        self._retitle()
        self.redraw()

    def _retitle(self) -> None:
        """Show in the lower edge the number of jobs due later, or the limits of the queue under the cursor."""
        if self._overview is None:
            return
        counts = self._overview.counts
        later = counts.get(State.SCHEDULED, 0) + counts.get(State.RETRYING, 0)
        hidden = max(0, len(self._queues) - self.size.height) if self.size.height else 0
        below = [f"{hidden} more"] * (hidden > 0) + [f"{number(later)} due later{self._next_due()}"] * (later > 0)
        if self.has_focus and self._queues and (limits := limits_text(self._queues[self._cursor].limits)):
            below = [limits]
        self.set_titles([], [(" · ".join(below), "$quiet")] if below else [])

    def watch_has_focus(self, has_focus: bool) -> None:
        """Update the titles: the cursor is visible only while the panel has the focus."""
        super().watch_has_focus(has_focus)
        self._retitle()

    def _next_due(self) -> str:
        if self._overview is None or self._overview.next_due_at is None:
            return ""
        seconds = max(0, round(self._overview.next_due_at - self._overview.at))
        return f" · next {seconds // 60:02d}:{seconds % 60:02d}" if seconds < 6000 else ""

    @property
    def _cursor(self) -> int:
        names = [queue.name for queue in self._queues]
        return names.index(self._chosen) if self._chosen in names else 0

    @property
    def _top(self) -> int:
        return max(0, self._cursor - self.size.height + 1) if self.has_focus else 0

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if self._queues:
            self._chosen = self._queues[max(0, min(len(self._queues) - 1, self._cursor + by))].name
            self._retitle()
            self.refresh()

    def action_choose(self) -> None:
        """List the jobs of the selected queue."""
        if self._queues:
            self.post_message(self.Chosen(self._queues[self._cursor].name))

    @changes_queue
    def action_pause(self) -> None:
        """Pause or resume the selected queue."""
        if self._queues:
            self.post_message(self.PauseRequested(self._queues[self._cursor].name))

    def on_click(self, event: Click) -> None:
        """Select a queue with the mouse."""
        at = event.y - self.gutter.top + self._top
        if 0 <= at < len(self._queues):
            self._chosen = self._queues[at].name
            self._retitle()
            self.refresh()

    def draw(self, y: int, width: int) -> Sequence[Piece]:
        quiet = self.style("quiet")
        if not self._queues:
            return [(" no queue has jobs yet", quiet)] if y == 0 and self._overview is not None else []
        at = y + self._top
        if at >= len(self._queues):
            return []
        queue = self._queues[at]
        ground = self.get_component_rich_style("ground--cursor") if self.has_focus and at == self._cursor else Style()
        names = max(len(fit_name(each.name)) for each in self._queues)
        name = fit(fit_name(queue.name), names)
        depth = number(queue.pending)
        depth = depth.rjust(max(len(number(each.pending)) for each in self._queues))
        limited = any(each.limits != Limits() for each in self._queues)
        mark = (_LIMITED if queue.limits != Limits() else " ") + " " if limited else ""
        bar = width - names - len(depth) - len(mark) - 4
        if queue.paused:
            middle: Piece = (fit("‖ paused", bar), self.style("warning"))
        else:
            deepest = max(each.pending for each in self._queues) or 1
            eighths = round(queue.pending / deepest * bar * 8)
            blocks = "█" * (eighths // 8) + (_PART[eighths % 8] if eighths % 8 else "")
            middle = (fit(blocks or ("▏" if queue.pending else ""), bar), self.style("accent"))
        strong = self.style("strong") if queue.pending else quiet
        pieces = [(f" {name} ", Style()), *[(mark, quiet)] * limited, middle, (f" {depth} ", strong)]
        return [(piece, ground + style) for piece, style in pieces]


def fit_name(name: str) -> str:
    """Return the name of a queue, cut to fit the panel."""
    shown = safe(name)
    return shown if len(shown) <= 12 else shown[:11] + "…"
