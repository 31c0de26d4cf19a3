"""The journal of operations that can be undone: its entries, their actors, and the results of an undo."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field

from .errors import InvalidOption, JobdeckError
from .record_class import record

MAX_ACTOR_LENGTH = 200
"""The maximum length of an actor's name, in characters."""

QUEUE_OPERATIONS = ("pause", "resume", "limit")
"""The names of the journaled operations on one or more queues."""
SCHEDULE_OPERATIONS = ("add schedule", "edit schedule", "pause schedule", "resume schedule", "delete schedule")
"""The names of the journaled operations on a schedule."""


@record
class Actor:
    """Who performs an operation, and the journal entry that it belongs to."""

    name: str = "unknown"
    entry_id: int | None = None
    """The journal entry that this operation continues, so that both are undone together; a new one if `None`."""


@record(kw_only=True)
class JournalEntry:
    """One operation of a person or a program on jobs, queues or a schedule."""

    id: int
    at: float
    """When it was performed, in seconds since 1970 UTC."""
    actor: str
    operation: str
    """On jobs: `cancel`, `retry`, `reprioritize`, `edit`, `delete`; on queues: `pause`, `resume`, `limit`; on a schedule:
    `add schedule`, `edit schedule`, `pause schedule`, `resume schedule`, `delete schedule`."""
    n: int
    """The number of jobs; the number of queues for `pause` and `resume`; 1 for a schedule."""
    recorded: int
    """The number of them for which the journal has the undo data."""
    summary: str
    """What was done: `cancelled 3 jobs`. May contain the name of a queue, and therefore any text."""
    undone: int = 0
    """The number of jobs for which it is currently undone."""
    undone_at: float | None = None
    """When an undo was last performed or attempted; `None` if the operation is in effect or was redone."""
    undone_by: str | None = None


@record
class UndoResult:
    """The result of an undo or a redo: for each job it was done, or refused with an error."""

    entry: JournalEntry
    """The journal entry as it is now."""
    done: tuple[int | str, ...] = ()
    """Ids of jobs, or names of queues or the schedule."""
    refused: Mapping[int | str, JobdeckError] = field(default_factory=dict)
    not_recorded: int = 0
    """The number of further jobs that exceeded the size limit of the journal and cannot be undone."""


def current_actor() -> str:
    """Return the user of this process and the name of the machine: `ann@web-1`."""
    import getpass  # imported late: only operations have an actor, not the enqueue of a job

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # the user id has no name, as in many containers
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    name = f"{user}@{os.uname().nodename}" if hasattr(os, "uname") else user
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:MAX_ACTOR_LENGTH]


def check_actor(actor: str) -> str:
    """Return the name if it can be an actor in the journal; otherwise raise `InvalidOption`."""
    if not isinstance(actor, str) or not 0 < len(actor) <= MAX_ACTOR_LENGTH or not actor.isprintable():
        raise InvalidOption("actor", f"must be a name of 1 to {MAX_ACTOR_LENGTH} printable characters")
    return actor
