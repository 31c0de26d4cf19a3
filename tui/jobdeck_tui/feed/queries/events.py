"""The newest events, collected read by read."""

from __future__ import annotations

from dataclasses import field

from jobdeck import Event, Queue, record

from ...text.event_format import EventFilter

KEPT = 5_000
"""The number of events kept for scrolling back."""
FIRST = 2_000
"""The number of events in the first read, before words of the filter drop some."""
OVERLAP = 10.0
"""Seconds that each read repeats, because a result is stored slightly after it happened."""


@record
class EventsData:
    """Events, oldest first."""

    at: float
    events: tuple[Event, ...] = ()
    gaps: frozenset[str] = frozenset()
    """Keys of events before which some may be missing: more happened than was read."""


class EventBuffer:
    """Collects the events of all reads so far."""

    def __init__(self, kept: int = KEPT, first: int = FIRST) -> None:
        self._kept, self._first = kept, first
        self._known: dict[str, Event] = {}
        self._gaps: frozenset[str] = frozenset()
        self._events: tuple[Event, ...] = ()
        self._newest: float | None = None

    def read(self, queue: Queue, filter: EventFilter) -> EventsData:
        """Read new events and return all that are kept."""
        newest = self._newest
        after = None if newest is None else newest - OVERLAP
        found = queue.history.events(after=after, limit=self._first, only=filter.only)
        if found:
            self._newest = max(found[-1].at, newest or found[-1].at)
        wanted = [event for event in found if filter.matches(event)]
        news = [event for event in wanted if self._known.get(event.key) != event]
        if news:
            if newest is not None and len(found) == self._first and found[0].at > newest:
                self._gaps |= {wanted[0].key}
            self._known |= {event.key: event for event in news}
            # Stable: events of one moment keep the order in which the engine returns them.
            ordered = sorted(self._known.values(), key=lambda event: event.at)[-self._kept :]
            if len(ordered) < len(self._known):
                self._known = {event.key: event for event in ordered}
                self._gaps &= self._known.keys()
            self._events = tuple(ordered)
        return EventsData(queue.clock.now(), self._events, self._gaps)


@record
class EventsQuery:
    """Reads the events that match a filter."""

    filter: EventFilter = field(default_factory=EventFilter)
    interval: float = 0.5
    buffer: EventBuffer = field(default_factory=EventBuffer, compare=False)
    """Used by the reading thread only."""

    def read(self, queue: Queue) -> EventsData:
        """Read new events and return all that are kept."""
        return self.buffer.read(queue, self.filter)
