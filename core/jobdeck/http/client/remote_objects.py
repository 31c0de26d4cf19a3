"""The batches, kinds, workers and limits of a queue on another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from ...batches import Batches
from ...clock import Clock
from ...kind_catalog import KindCatalog
from ...limits import QueueLimits
from ...model.errors import UnknownKind
from ...model.jobs import Batch, Kind, Limits, NewJob
from ...model.kind_names import handler_kind
from ...model.overview import WorkerInfo
from ...registered_workers import RegisteredWorkers
from .checked_job import request_of

Call = Callable[..., Any]


class RemoteBatches(Batches):
    """The batches of a queue on another machine."""

    def __init__(self, read: Call, change: Call, clock: Clock) -> None:
        self._read, self._change, self._clock = read, change, clock

    def enqueue(self, jobs: Iterable[NewJob], *, name: str = "", into: int | None = None) -> Batch:
        return self._change("batches.enqueue", Batch, jobs=[request_of(each) for each in jobs], name=name, into=into)

    def get(self, batch_id: int) -> Batch:
        return self._read("batches.get", Batch, batch_id=batch_id)


class RemoteKinds(KindCatalog):
    """The kinds that a server knows, as they were when they were first asked for."""

    def __init__(self, read: Call) -> None:
        self._read = read

    @cached_property
    def _kinds(self) -> Sequence[Kind]:
        return self._read("kinds.list", Sequence[Kind])

    def list(self) -> Sequence[Kind]:
        return self._kinds

    def get(self, name: str) -> Kind:
        found = next((each for each in self._kinds if each.name == handler_kind(name)), None)
        if found is None:
            raise UnknownKind(name, [each.name for each in self._kinds], on_server=True)
        return found

    def argument_schema(self, name: str) -> dict[str, Any]:
        return self._read("kinds.argument_schema", dict, kind=name)


class RemoteWorkers(RegisteredWorkers):
    """The worker processes of a queue on another machine."""

    def __init__(self, read: Call, change: Call) -> None:
        self._read, self._change = read, change

    def list(self) -> Sequence[WorkerInfo]:
        return self._read("workers.list", Sequence[WorkerInfo])

    def drain(self, worker_id: str) -> WorkerInfo:
        return self._change("workers.drain", WorkerInfo, worker_id=worker_id)


class RemoteLimits(QueueLimits):
    """The limits of the queues on another machine. The actor is the token."""

    def __init__(self, read: Call, change: Call) -> None:
        self._read, self._change = read, change

    def get(self, queue: str) -> Limits:
        return self._read("limits.get", Limits, queue=queue)

    def set(
        self,
        queue: str,
        *,
        running: int | None = None,
        rate: int | None = None,
        period: float | None = None,
        keep: bool = False,
        actor: str | None = None,
    ) -> None:
        self._change("limits.set", None, queue=queue, running=running, rate=rate, period=period, keep=keep)
