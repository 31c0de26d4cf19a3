"""Into the queue: the enqueue of the SQLite store."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...clock import Clock
from ...jobs import Job, NewJob
from ...states import State
from .connection import Connections
from .tally import Tally

_ENQUEUE = """
INSERT INTO jobdeck_jobs (kind, args, queue, priority, state, max_attempts, timeout, created_at, scheduled_at, tags,
                          backoff)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Intake:
    """Puts new jobs into the queue."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `Store.enqueue_jobs`."""
        now = self._clock.now()
        tally = Tally()
        stored: list[Job] = []
        with self._connections.writing() as connection:
            for new in jobs:
                due = now if new.scheduled_at is None else new.scheduled_at
                state = State.PENDING if due <= now else State.SCHEDULED
                tags = json.dumps(new.tags) if new.tags else "[]"
                row = (new.kind, new.args_json, new.queue, new.priority, state, new.max_attempts, new.timeout, now, due, tags)
                connection.execute(_ENQUEUE, (*row, new.backoff_json))
                tally.move(new.queue, new.kind, None, state)
                stored.append(
                    Job(
                        id=connection.last_insert_rowid(),
                        kind=new.kind,
                        args_json=new.args_json,
                        queue=new.queue,
                        priority=new.priority,
                        state=state,
                        attempt=0,
                        max_attempts=new.max_attempts,
                        created_at=now,
                        scheduled_at=due,
                        timeout=new.timeout,
                        tags=new.tags,
                        backoff_json=new.backoff_json,
                    )
                )
            tally.write(connection)
        return stored
