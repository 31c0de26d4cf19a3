"""A live list of events, the newest at the bottom. Follows the end until the user scrolls back."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.strip import Strip

from jobdeck import Event, EventType, State

from ...feed.queries.events import EventsData
from ...text.event_format import EVENT_STYLES, FAILURES, format_details, host_of
from ...text.format import number
from ...text.sanitize import safe
from ..base.panel import STATE_CLASSES, JobOpened, Panel
from ..base.strips import Piece, fit, make_strip, width_of
from ..base.styled_text import StyledLine

_WORKER_FROM = 130
"""The minimum width at which the worker gets a column."""
_WORKER = 22
"""The width of that column in cells."""
_ROOMY_FROM = 100
"""The minimum width at which times show milliseconds."""

_NOTHING: Sequence[StyledLine] = (
    [("  No events yet.", "strong")],
    [("  Events of jobs and operations of users appear here as they happen.", "quiet")],
)
_NO_MATCH: Sequence[StyledLine] = (
    [("  No event matches the filter.", "strong")],
    [("  Words match any field; failed, operations, kind:… narrow the list.", "quiet")],
    [],
    [("  esc", "accent"), ("   clears the filter", "quiet")],
)


class EventList(Panel, inherit_bindings=False):
    """One line per event."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False, system=True),
        Binding("k,up", "move(-1)", "up", show=False, system=True, tooltip="Go back, and stop following the end"),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, system=True),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, system=True),
        Binding("g,home", "first", "oldest", show=False, tooltip="Go to the oldest loaded event"),
        Binding("G,end", "follow", "newest", tooltip="Go to the newest event, and follow the end"),
        Binding("n", "failure(1)", "failure", key_display="n N", tooltip="Go to the next failure, starting with the newest"),
        Binding("N", "failure(-1)", "previous failure", show=False, tooltip="Go to the previous failure"),
        Binding("f", "pause", "hold/follow", tooltip="Hold the list, or follow the end"),
        Binding("enter", "open", "open", tooltip="Open the job of the event"),
    ]
    digit = 9
    label = "events"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: EventsData | None = None
        self.events: tuple[Event, ...] = ()
        """The events, oldest first."""
        self._cursor = 0
        self._top = 0
        self.following = True
        """Whether the list follows the end."""
        self._held_at: str | None = None
        self.filter_text = ""
        """The filter as typed, for the title."""

    # -- content ------------------------------------------------------------------------------------

    def show(self, seen: EventsData) -> None:
        """Show these events. Unless following the end, keeps the event under the cursor at its line of the screen."""
        if self._seen is not None and seen.events is self._seen.events:
            self._seen = seen
            return
        chosen = self.chosen
        self._seen, self.events = seen, seen.events
        if self.following or chosen is None:
            self._to_end()
        else:
            row = self._cursor - self._top
            self._cursor = self._find(chosen)
            self._top = max(0, self._cursor - row)
        self._update_titles()

    def _find(self, event: Event) -> int:
        """Return the index of an event; if it is missing, of the one now in its place."""
        at = bisect_left(self.events, event.at, key=lambda each: each.at)
        for place in range(at, len(self.events)):
            if self.events[place].key == event.key:
                return place
            if self.events[place].at > event.at:
                break
        return max(0, min(at, len(self.events) - 1))

    @property
    def chosen(self) -> Event | None:
        """The event under the cursor."""
        return self.events[self._cursor] if self.events else None

    @property
    def new(self) -> int:
        """The number of events that arrived since the list was held."""
        if self.following or self._held_at is None:
            return 0
        for back, event in enumerate(reversed(self.events)):
            if event.key == self._held_at:
                return back
        return len(self.events)

    @property
    def _room(self) -> int:
        return max(1, self.size.height)

    def _to_end(self) -> None:
        self.following, self._held_at = True, None
        self._cursor = max(0, len(self.events) - 1)
        self._top = max(0, len(self.events) - self._room)

    def _update_titles(self) -> None:
        parts: list[tuple[str, str]] = []
        below: list[tuple[str, str]] = []
        if self.filter_text:
            parts.append((f"/{safe(self.filter_text)}", "$accent"))
        if self.following:
            parts.append(("following", "$quiet"))
        else:
            parts.append(("‖ held", "$warning"))
            if new := self.new:
                below.append((f"▼ {number(new)} new · G follows  ", "$warning"))
        if self.events:
            below.append((f"{number(self._cursor + 1)} of {number(len(self.events))}", "$quiet"))
        self.set_titles(parts, below)
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        """Stay at the end, or keep the cursor in view."""
        if self.following:
            self._to_end()
        self._keep_in_view()
        self._update_titles()

    def _keep_in_view(self) -> None:
        self._top = max(self._cursor - self._room + 1, min(self._top, self._cursor))
        self._top = max(0, min(self._top, len(self.events) - self._room))

    # -- drawing -----------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width, ground = self.size.width, self.rich_style
        at = self._top + y
        if at >= len(self.events):
            return make_strip(self._empty(y), width, ground)
        on = at == self._cursor and not self.following
        if on and self.has_focus:
            ground += self.get_component_rich_style("ground--cursor")
        return make_strip(self._event_pieces(self.events[at], width, on), width, ground)

    def _empty(self, y: int) -> Sequence[Piece]:
        if self._seen is None or self.events:
            return []
        lines = _NO_MATCH if self.filter_text else _NOTHING
        if not 1 <= y <= len(lines):
            return []
        return [(text, self.style(meaning)) for text, meaning in lines[y - 1]]

    def _meaning(self, name: str) -> Style:
        known = STATE_CLASSES[State(name)] if name in set(State) else f"text--{name}"
        return self.get_component_rich_style(known, partial=True)

    def _event_pieces(self, event: Event, width: int, on: bool) -> Sequence[Piece]:
        quiet, plain = self.style("quiet"), Style()
        glyph, meaning = EVENT_STYLES[event.type]
        style = self._meaning(meaning)
        gap = self._seen is not None and event.key in self._seen.gaps
        pieces: list[Piece] = [("❯ " if on else "⋮ " if gap else "  ", self.style("accent") if on else quiet)]
        wide, roomy = width >= _WORKER_FROM, width >= _ROOMY_FROM
        pieces.append((self._format_time(event.at, exact=roomy) + "  ", quiet))
        pieces.append((f"{glyph} {event.type.value:<9}  ", style))
        calm = event.type in (EventType.ENQUEUED, EventType.STARTED, EventType.COMPLETED)
        if event.kind:
            job = "" if event.job_id is None else f"#{event.job_id}"
            pieces.append((f"{job:>8}  ", quiet))
            pieces.append((fit(safe(event.kind), 24 if roomy else 17) + "  ", plain if calm else self.style("strong")))
            if wide:
                pieces.append((fit(host_of(event.worker), _WORKER) + "  ", quiet))
        room = width - width_of(pieces)
        pieces.append((fit(format_details(event), room), quiet if calm else style if event.type in FAILURES else plain))
        return pieces

    def _format_time(self, at: float, *, exact: bool) -> str:
        """Format the local time, to the millisecond if it fits; with the day unless it is today."""
        size = 12 if exact else 8
        try:
            then = time.localtime(at)
            today = self._seen is None or then[:3] == time.localtime(self._seen.at)[:3]
        except (ValueError, OverflowError, OSError):
            return fit("then", size)
        if today:
            return time.strftime("%H:%M:%S", then) + (f".{int(at % 1 * 1000):03}" if exact else "")
        return fit(time.strftime("%d %b %H:%M" if exact else "%d %b", then), size)

    # -- moving ------------------------------------------------------------------------------------

    def _go(self, at: int) -> None:
        if not self.events:
            return
        last = len(self.events) - 1
        if self.following:
            self.following, self._held_at = False, self.events[-1].key
        self._cursor = max(0, min(last, at))
        self._keep_in_view()
        self._update_titles()

    def action_move(self, by: int) -> None:
        """Move the cursor; ignored downward while following the end."""
        if not (self.following and by > 0):
            self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move by a screenful; follow the end when reaching it."""
        if by > 0 and self._cursor + self._room >= len(self.events):
            self.action_follow()
        else:
            self._go(self._cursor + by * self._room)

    def action_first(self) -> None:
        """Go to the oldest event."""
        self._go(0)

    def action_follow(self) -> None:
        """Go to the newest event, and follow the end."""
        self._to_end()
        self._update_titles()

    def action_pause(self) -> None:
        """Hold the list, or follow the end."""
        if self.following:
            self._go(self._cursor)
        else:
            self.action_follow()

    def action_failure(self, by: int) -> None:
        """Go to the next or previous failure."""
        places = [at for at, event in enumerate(self.events) if event.type in FAILURES]
        if self.following:
            found = places[-1:]
        elif by > 0:
            found = [at for at in places if at > self._cursor][:1]
        else:
            found = [at for at in places if at < self._cursor][-1:]
        if found:
            self._go(found[0])
        else:
            which = "" if self.following else "later " if by > 0 else "earlier "
            self.app.notify(f"No {which}failure among these events", timeout=3, markup=False)

    def action_open(self) -> None:
        """Open the job of the event."""
        event = self.chosen
        if event is None:
            return
        if event.job_id is None:
            self.app.notify("This event does not belong to a single job", timeout=3, markup=False)
        else:
            self.post_message(JobOpened(event.job_id))

    # -- the mouse ---------------------------------------------------------------------------------

    def on_click(self, event: Click) -> None:
        """Select an event with the mouse; a second click opens its job."""
        at = self._top + event.y - self.gutter.top
        if 0 <= at < len(self.events) and event.y >= self.gutter.top:
            self._go(at)
            if event.chain > 1:
                self.action_open()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll back."""
        event.stop()
        self._wheel(-3)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll forward; follow the end when reaching it."""
        event.stop()
        self._wheel(3)

    def _wheel(self, by: int) -> None:
        last = len(self.events) - self._room
        if by > 0 and self._top + by >= last:
            if not self.following:
                self.action_follow()
            return
        if last > 0:
            self._top = max(0, min(last, self._top + by))
            self._go(max(self._top, min(self._top + self._room - 1, self._cursor)))
