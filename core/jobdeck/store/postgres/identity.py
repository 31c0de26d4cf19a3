"""Which queue is at an address: whether it is still the one that was there before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TABLE = "to_regclass('jobdeck_meta')::oid::bigint"
# A copy made by the server's own replication is the same queue: it takes over where the other one stopped.
_WHICH = f"""
SELECT (SELECT system_identifier FROM pg_control_system()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), {TABLE}
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """One queue among all there are."""

    cluster: int
    """The number that a server's data got when they were made."""
    database: int
    table: int | None
    """The number of a table of the queue; `None` where there is no queue."""

    @classmethod
    def read(cls, connection: Any) -> Identity:
        """Which queue this connection sees."""
        return cls(*connection.execute(_WHICH).fetchone())


class Whereabouts:
    """Which queue is at the address, as far as any thread has seen."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.file = 0
        """How many others were there before."""
        self.moved: set[Callable[[], None]] = set()
        """Called, on whatever thread has seen it, when it is another one."""
        self._guard = threading.Lock()

    def note(self, seen: Identity, make_ready: Callable[[], object]) -> int:
        """A new connection sees this queue; one that is not the one before is made ready first. Returns its `file`."""
        with self._guard:
            if seen == self.identity:
                return self.file
            make_ready()
            self.identity = seen
            self.file += 1
            file, moved = self.file, [*self.moved]
        for each in moved:
            each()
        return file
