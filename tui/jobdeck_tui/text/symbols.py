"""The legend: the meaning of every symbol that the cockpit draws. States and events come from where they are defined."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jobdeck import State

from .event_format import EVENT_STYLES
from .format import GLYPHS

_STATES: Mapping[State, str] = MappingProxyType(
    {
        State.SCHEDULED: "scheduled: due later",
        State.WAITING: "waiting for other jobs",
        State.PENDING: "pending: ready to run",
        State.RUNNING: "running",
        State.RETRYING: "retrying: failed, and runs again later",
        State.COMPLETED: "completed",
        State.FAILED: "failed: out of attempts, or told not to retry",
        State.CANCELLED: "cancelled",
    }
)
_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "❯": "the selected row",
        "▌": "a marked row",
        "◆": "in charts: a run of this job; in a history: what a user did",
        "◇": "in charts: an earlier attempt of this job",
        "▲": "sorted, smallest first; a rise; new jobs above; in a filter: where it is wrong",
        "▼": "sorted, largest first; a fall; new events below",
        "●": "live: the database answers; a worker that is alive; enqueued, in a history",
        "!": "needs attention: it takes unusually long, is stuck, or there are warnings",
        "≤": "a limit: at most so many at once",
        "‖": "paused",
        "■": "in the lab: a job that has run once",
        "▶": "in the lab: the lane that runs now",
        "·": "idle, off or nothing; between texts: a separator",
        "…": "text that was cut",
        "⋯": "lines that are not shown",
        "⋮": "events are missing here",
        "◂": "the charts are narrowed to this one",
        "\N{REPLACEMENT CHARACTER}": "a control character",
        "—": "no value",
        "×": "times; between two sizes: by",
    }
)


def legend() -> list[tuple[str, str]]:
    """Return every symbol with its meaning: those of states first, then those of events, then all others."""
    meanings: dict[str, list[str]] = {}
    for state, glyph in GLYPHS.items():
        meanings.setdefault(glyph, []).append(_STATES[state])
    for event, (glyph, _) in EVENT_STYLES.items():
        if event.value not in " ".join(meanings.get(glyph, ())):
            meanings.setdefault(glyph, []).append(f"event: {event.value}")
    for glyph, meaning in _OTHERS.items():
        meanings.setdefault(glyph, []).append(meaning)
    return [(glyph, "; ".join(found)) for glyph, found in meanings.items()]
