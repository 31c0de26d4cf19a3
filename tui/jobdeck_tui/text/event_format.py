"""The glyph and text of an event, and the filter for events. Pure; the command and the screen share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jobdeck import Event, Happening

from .format import duration
from .sanitize import safe

#: Event → its glyph and the name of its style, such as a state.
LOOKS: Mapping[Happening, tuple[str, str]] = MappingProxyType(
    {
        Happening.ENQUEUED: ("○", "quiet"),
        Happening.STARTED: ("▸", "running"),
        Happening.COMPLETED: ("✓", "completed"),
        Happening.FAILED: ("✗", "failed"),
        Happening.RETRYING: ("↻", "retrying"),
        Happening.CRASHED: ("†", "failed"),
        Happening.EXPIRED: ("✗", "failed"),
        Happening.CANCELLED: ("⊘", "cancelled"),
        Happening.SNOOZED: ("◷", "scheduled"),
        Happening.RELEASED: ("◌", "scheduled"),
        Happening.LATE: ("!", "warning"),
        Happening.ACT: ("◆", "strong"),
        Happening.UNDONE: ("◇", "strong"),
    }
)

TROUBLE = frozenset({Happening.FAILED, Happening.RETRYING, Happening.CRASHED, Happening.EXPIRED, Happening.LATE})
"""Events that the keys for the next failure stop at."""
_GROUPS: Mapping[str, frozenset[Happening]] = MappingProxyType(
    {
        "failures": TROUBLE,
        "acts": frozenset({Happening.ACT, Happening.UNDONE}),
        "running": frozenset({Happening.STARTED}),
        "pending": frozenset({Happening.ENQUEUED}),
    }
)
"""Words that stand for several event types, or for one by another name."""
WORDS = (*(what.value for what in Happening), *_GROUPS)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter for events: of some types, and with all of some words in their text."""

    only: frozenset[Happening] = frozenset()
    """If empty, all types match."""
    words: tuple[tuple[str, str], ...] = ()
    """Pairs of field and text in lower case; an empty field means any field."""

    @classmethod
    def read(cls, text: str) -> EventFilter:
        """Parse typed text: event types (`failed`, `acts`, `state:failed`), `kind:`, `queue:`, `id:`, and any other words."""
        only: set[Happening] = set()
        words: list[tuple[str, str]] = []
        for word in text.lower().split():
            field, colon, value = word.partition(":")
            name = value if field in ("state", "what") and colon else word
            if name in _GROUPS:
                only |= _GROUPS[name]
            elif name in set(Happening):
                only.add(Happening(name))
            elif colon and field in ("kind", "queue", "id", "worker", "who"):
                if value:
                    words.append((field, value))
            else:
                words.append(("", word))
        return cls(frozenset(only), tuple(words))

    def lets(self, event: Event) -> bool:
        """Return whether the event matches."""
        if self.only and event.what not in self.only:
            return False
        return all(self._has(event, field, text) for field, text in self.words)

    def _has(self, event: Event, field: str, text: str) -> bool:
        if field == "id":
            return str(event.job_id) == text.lstrip("#")
        if field:
            return text.strip("*") in str(getattr(event, field) or "").lower()
        whole = (
            f"#{event.job_id or ''} {event.what} {event.kind} {event.queue} {event.text} {event.who or ''} {event.worker or ''}"
        )
        return text in whole.lower()


def details(event: Event) -> str:
    """Return the details of an event beside its time, type, job and kind. Safe to draw."""
    parts = [] if event.who is None else [event.who]
    if event.number is not None and event.number > 1:
        parts.append(f"attempt {event.number}")
    if event.text:
        parts.append(("undid: " if event.what is Happening.UNDONE else "") + event.text)
    if event.took is not None:
        parts.append(f"took {duration(event.took)}")
    if event.what is Happening.ENQUEUED:
        parts.append(f"in {event.queue}")
    return safe(" · ".join(parts))


def host_of(worker: str | None) -> str:
    """Return the machine and process of a worker, without the unique suffix. Safe to draw."""
    if not worker:
        return ""
    name, _, _ = worker.rpartition(":")
    return safe(name or worker)
