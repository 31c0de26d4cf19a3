"""Identifies the queue at an address, and notices when another one replaces it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...model.record_class import record

TABLE = "to_regclass('jobdeck_meta')::oid::bigint"
# A copy made by the server's own replication is the same queue: it continues where the other one stopped.
_WHICH = f"""
SELECT (SELECT system_identifier FROM pg_control_system()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), {TABLE}
"""


@record
class Identity:
    """The identity of a queue."""

    cluster: int
    """The number that the server's data got when they were created."""
    database: int
    table: int | None
    """The number of a table of the queue; `None` if there is no queue."""

    @classmethod
    def read(cls, connection: Any) -> Identity:
        """Read the identity of the queue that this connection sees."""
        return cls(*connection.execute(_WHICH).fetchone())


class DatabaseIdentity:
    """The queue at the address, as any thread has seen it last."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.generation = 0
        """The number of queues that were there before."""
        self.on_change: set[Callable[[], None]] = set()
        """Called, on the thread that notices it, when another queue is there."""
        self._guard = threading.Lock()

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held, and forget the parent's listeners."""
        self._guard = threading.Lock()
        self.on_change = set()

    def observe(self, seen: Identity, make_ready: Callable[[], object]) -> int:
        """Record the queue that a new connection sees, after preparing it if it is another one; return its generation."""
        with self._guard:
            if seen == self.identity:
                return self.generation
            make_ready()
            self.identity = seen
            self.generation += 1
            generation, on_change = self.generation, [*self.on_change]
        for each in on_change:
            each()
        return generation
