"""What the PostgreSQL store is to those around it: whether it still is where it was, and its side of their transactions."""

from __future__ import annotations

from collections.abc import Sequence

from ...jobs import Job, NewJob
from ..base import Store
from .connection import Connections
from .guest import guest
from .intake import Intake


class Hosting(Store):
    """A part of the store."""

    _connections: Connections
    _intake: Intake

    @property
    def file(self) -> int:
        return self._connections.file

    def renew(self) -> None:
        self._connections.renew()

    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        with guest(connection, self._connections) as session:
            return self._intake.enqueue_in(session, jobs)
