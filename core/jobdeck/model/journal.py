"""The journal of what people did, so that it can be undone: who did what and when, and what came of an undo."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import InvalidOption, JobdeckError

WHO_LENGTH = 200
"""Characters of a name in the journal at most."""


QUEUE_ACTS = ("pause", "resume", "limit")
"""The acts on a queue, or on several at once, as the journal names them."""
SCHEDULE_ACTS = ("add schedule", "edit schedule", "pause schedule", "resume schedule", "delete schedule")
"""The acts on a schedule, as the journal names them."""


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, and as part of what."""

    who: str = "somebody"
    act: int | None = None
    """The act that this goes on with, so that both are undone together; a new one when `None`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of a person or a program, on one job or many, or on a queue."""

    id: int
    at: float
    """When, in seconds since 1970 UTC."""
    who: str
    operation: str
    """`cancel`, `retry`, `reprioritise`, `edit`, `delete`; `pause` or `resume` of queues, `limit` of one; `add schedule`,
    `edit schedule`, `pause schedule`, `resume schedule`, `delete schedule`."""
    n: int
    """On how many jobs; of `pause` and `resume`, on how many queues; 1 for a schedule."""
    kept: int
    """Of how many of them the journal has what it takes to undo it."""
    told: str
    """What was done, in words: `cancelled 3 jobs`. May hold a queue's name, and so any text."""
    undone: int = 0
    """For how many jobs it is undone now."""
    undone_at: float | None = None
    """When it was last undone, or that was tried; `None` if it stands, or was done again."""
    undone_by: str | None = None


@dataclass(frozen=True, slots=True)
class Undoing:
    """What came of an undo or a redo: of each job it was done, or refused with a reason."""

    act: Act
    """As it is now."""
    done: tuple[int | str, ...] = ()
    """Ids of jobs; of an act on queues or a schedule, their names."""
    refused: Mapping[int | str, JobdeckError] = field(default_factory=dict)
    beyond: int = 0
    """For how many more jobs an undo was not even tried: the journal had no room to keep how they were."""


def whoami() -> str:
    """The user of this process and the machine's name: `ann@web-1`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an id without a name, as in many containers
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    name = f"{user}@{os.uname().nodename}" if hasattr(os, "uname") else user
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:WHO_LENGTH]


def check_who(who: str) -> str:
    """The name, if the journal can take it. Raises `InvalidOption`."""
    if not isinstance(who, str) or not 0 < len(who) <= WHO_LENGTH or not who.isprintable():
        raise InvalidOption("who", f"must be a name of 1 to {WHO_LENGTH} printable characters")
    return who
