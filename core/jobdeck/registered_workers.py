"""The worker processes of a queue, as they have registered in its database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .execution.drain_request import request_drain
from .model.errors import WorkerNotFound
from .model.overview import WorkerInfo
from .store.base import Store


class RegisteredWorkers:
    """`Queue.workers`: lists worker processes, and drains them. To run one, see `Worker`."""

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease

    def list(self) -> Sequence[WorkerInfo]:
        """Return the registered worker processes, oldest first."""
        return self._store.workers.list(self._lease)

    def drain(self, worker_id: str) -> WorkerInfo:
        """Let a worker of this machine finish its running jobs and claim no more, and return it.

        Raises:
            WorkerNotFound: no worker with this id is registered.
            WorkerUnreachable: it is on another machine, or did not reply.
        """
        info = next((each for each in self.list() if each.id == worker_id), None)
        if info is None:
            raise WorkerNotFound(worker_id)
        request_drain(worker_id, info.host, self._store.notifier.request)
        return replace(info, draining=True)
