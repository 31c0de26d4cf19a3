"""The glyph and text of an event, and the filter for events. Pure; the command and the screen share it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jobdeck import Event, EventType, fold_case, record

from .format import duration
from .sanitize import safe

#: Event → its glyph and the name of its style, such as a state.
EVENT_STYLES: Mapping[EventType, tuple[str, str]] = MappingProxyType(
    {
        EventType.ENQUEUED: ("○", "quiet"),
        EventType.STARTED: ("▸", "running"),
        EventType.COMPLETED: ("✓", "completed"),
        EventType.FAILED: ("✗", "failed"),
        EventType.RETRYING: ("↻", "retrying"),
        EventType.CRASHED: ("†", "failed"),
        EventType.EXPIRED: ("✗", "failed"),
        EventType.CANCELLED: ("⊘", "cancelled"),
        EventType.SNOOZED: ("◷", "scheduled"),
        EventType.RELEASED: ("◌", "scheduled"),
        EventType.LATE: ("!", "warning"),
        EventType.OPERATION: ("◆", "strong"),
        EventType.UNDONE: ("◇", "strong"),
    }
)

FAILURES = frozenset({EventType.FAILED, EventType.RETRYING, EventType.CRASHED, EventType.EXPIRED, EventType.LATE})
"""Events that the keys for the next failure stop at."""
_GROUPS: Mapping[str, frozenset[EventType]] = MappingProxyType(
    {
        "failures": FAILURES,
        "operations": frozenset({EventType.OPERATION, EventType.UNDONE}),
        "running": frozenset({EventType.STARTED}),
        "pending": frozenset({EventType.ENQUEUED}),
    }
)
"""Words that stand for several event types, or for one by another name."""
WORDS = (*(what.value for what in EventType), *_GROUPS)


@record
class EventFilter:
    """A filter for events: of some types, and with all of some words in their text."""

    only: frozenset[EventType] = frozenset()
    """If empty, all types match."""
    words: tuple[tuple[str, str], ...] = ()
    """Pairs of field and folded text (see `fold_case`); an empty field means any field."""

    @classmethod
    def read(cls, text: str) -> EventFilter:
        """Parse typed text: event types (`failed`, `state:failed`), groups (`operations`), `kind:`, `queue:`, `id:`, words."""
        only: set[EventType] = set()
        words: list[tuple[str, str]] = []
        for word in fold_case(text).split():
            field, colon, value = word.partition(":")
            name = value if field in ("state", "what") and colon else word
            if name in _GROUPS:
                only |= _GROUPS[name]
            elif name in set(EventType):
                only.add(EventType(name))
            elif colon and field in ("kind", "queue", "id", "worker", "actor"):
                if value:
                    words.append((field, value))
            else:
                words.append(("", word))
        return cls(frozenset(only), tuple(words))

    def matches(self, event: Event) -> bool:
        """Return whether the event matches."""
        if self.only and event.type not in self.only:
            return False
        return all(self._has(event, field, text) for field, text in self.words)

    def _has(self, event: Event, field: str, text: str) -> bool:
        if field == "id":
            return str(event.job_id) == text.lstrip("#")
        if field:
            return text.strip("*") in fold_case(str(getattr(event, field) or ""))
        parts = (
            f"#{event.job_id or ''}",
            event.type,
            event.kind,
            event.queue,
            event.text,
            event.actor or "",
            event.worker or "",
        )
        whole = " ".join(map(str, parts))
        return text in fold_case(whole)


def format_details(event: Event) -> str:
    """Return the details of an event beside its time, type, job and kind. Safe to draw."""
    parts = [] if event.actor is None else [event.actor]
    if event.number is not None and event.number > 1:
        parts.append(f"attempt {event.number}")
    if event.text:
        parts.append(("undid: " if event.type is EventType.UNDONE else "") + event.text)
    if event.took is not None:
        parts.append(f"took {duration(event.took)}")
    if event.type is EventType.ENQUEUED:
        parts.append(f"in {event.queue}")
    return safe(" · ".join(parts))


def host_of(worker: str | None) -> str:
    """Return the machine and process of a worker, without the unique suffix. Safe to draw."""
    if not worker:
        return ""
    name, _, _ = worker.rpartition(":")
    return safe(name or worker)
