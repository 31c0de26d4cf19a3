"""What the PostgreSQL store is to those around it: its transactions and theirs, its bell, whether it is where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from ...model.jobs import Job, NewJob
from ..base import Store
from .caller_transaction import guest
from .connection import Connections
from .enqueue import Intake
from .notifier import Bell


class Hosting(Store):
    """A part of the store."""

    _connections: Connections
    _for_guests: Intake
    _bell: Bell

    def close(self) -> None:
        self._connections.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._connections.transaction():
            yield

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        return self._bell.listen(wake)

    def wake(self) -> None:
        self._bell.ring()

    @property
    def file(self) -> int:
        return self._connections.file

    def renew(self) -> None:
        self._connections.renew()

    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        with guest(connection, self._connections) as session:
            return self._for_guests.enqueue_in(session, jobs)
