"""A queue on another machine, through the API of its server."""

from __future__ import annotations

from array import array
from asyncio import to_thread
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, NoReturn, Unpack

from ...batches import Batches
from ...clock import Clock, SystemClock
from ...execution.stack_trace import Stack
from ...history import History
from ...journal import Journal
from ...kind_catalog import KindCatalog
from ...kinds.definition import Handler
from ...kinds.edit_options import EditOptions
from ...kinds.job_options import JobOptions
from ...kinds.registry import REGISTRY
from ...limits import QueueLimits
from ...maintenance.service import Maintenance
from ...model.diagnosis import Explanation
from ...model.errors import JobdeckError, StoreRefused, UnknownKind
from ...model.filter import Condition, write_filter
from ...model.forecast import QueueStats
from ...model.jobs import (
    Attempt,
    Dependencies,
    Enqueued,
    Job,
    JobEdit,
    LogLine,
    NewJob,
    OperationResult,
    PageEnd,
)
from ...model.kind_names import handler_kind
from ...model.overview import Overview, QueueInfo
from ...model.states import Operation, State
from ...queue import JobRequest, Queue
from ...registered_workers import RegisteredWorkers
from ...scheduling.schedules import Schedules
from ...settings import Settings
from ...store.base import Store
from .call_client import CallClient
from .checked_job import CheckedJob, request_of
from .remote_objects import RemoteBatches, RemoteKinds, RemoteLimits, RemoteWorkers
from .remote_past import RemoteHistory, RemoteJournal
from .remote_schedules import RemoteSchedules

_NEEDS_DATABASE = "is the HTTP API of a queue, and this needs its database: run it on the server's machine, with that as --db"


class ServerClock(SystemClock):
    """The clock of the server: ages are those that its own commands show."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def now(self) -> float:
        return super().now() + self._ahead


class RemoteQueue(Queue):
    """A queue with the methods of one that is open here, which its server carries out. Use it from any thread.

    Transactions, workers, maintenance and jobs in a caller's transaction need the database, and raise `StoreRefused`. The actor
    of operations is the token, whatever was given.
    """

    is_remote = True

    def __init__(self, address: str, *, settings: Settings | None = None, readonly: bool = False) -> None:
        """Connect to the server.

        Args:
            address: `http://host:port` or `https://host`.
            settings: with the token; read from the environment and `.env` if `None`.
            readonly: refuse everything that changes something.

        Raises:
            StoreUnreachable: the server cannot be reached.
            StoreRefused: it is no server of jobdeck, of another version, or does not accept the token.
            InvalidOption: the token cannot be one.
        """
        settings = settings or Settings.load()
        self._readonly = readonly
        self._client = CallClient(address, settings.token)
        about = self._client.about
        self.settings = replace(
            settings,
            ageing=about.ageing,
            lease=about.lease,
            max_attempts=about.max_attempts,
            timeout=about.timeout,
            max_args_bytes=about.max_args_bytes,
        )
        self.clock: Clock = ServerClock(self._client.ahead)
        self.registry = REGISTRY
        self.actor = about.actor
        self.where = address

    @property
    def store(self) -> Store:  # type: ignore[override]  # what needs the store is refused
        """Raise `StoreRefused`: the database is on another machine."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Raise `StoreRefused` for what needs the database itself."""
        raise StoreRefused(self.where, _NEEDS_DATABASE)

    @property
    def notice(self) -> str | None:
        """Return `None`: what a reader must know is logged on the server."""
        return None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def transaction(self) -> AbstractContextManager[Any]:
        """Raise `StoreRefused`: each call is a transaction of its own."""
        self.refuse()

    def recreate(self) -> None:
        """Raise `StoreRefused`."""
        self.refuse()

    def lock_wait_started(self) -> float | None:
        """Return `None`: the server waits for locks, and says if one is held too long."""
        return None

    def wake(self) -> None:
        """Do nothing: the server wakes the workers."""

    def version(self) -> object:
        """Return `None`: unknown."""
        return None

    # -- enqueue ----------------------------------------------------------------------------------

    def new_job(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]) -> NewJob:
        """Let the server check a job; see `Queue.new_job`."""
        name = kind if isinstance(kind, str) else self.registry.kind_of(kind)
        return self.new_jobs([(name, args or {}, options)])[0]

    def new_jobs(self, requests: Iterable[JobRequest]) -> Sequence[NewJob]:
        """Let the server check several jobs; see `Queue.new_jobs`."""
        sent = [
            {"kind": kind, "args": args, "options": {name: value for name, value in options.items() if value is not None}}
            for kind, args, options in requests
        ]
        drafts: Sequence[NewJob] = self._change("new_jobs", Sequence[NewJob], jobs=sent)
        return [
            CheckedJob(**{each.name: getattr(draft, each.name) for each in fields(draft)}, request=request)
            for draft, request in zip(drafts, sent, strict=True)
        ]

    def enqueue(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]) -> Job:
        """Enqueue a job; see `Queue.enqueue`."""
        return self.enqueue_new([self.new_job(kind, args, **options)])[0].job

    def enqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Enqueue checked jobs; see `Queue.enqueue_many`."""
        return [each.job for each in self.enqueue_new(jobs)]

    async def aenqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Enqueue checked jobs; see `Queue.aenqueue_many`."""
        return await to_thread(self.enqueue_many, list(jobs))

    def enqueue_new(self, jobs: Iterable[NewJob]) -> Sequence[Enqueued]:
        """Enqueue checked jobs; see `Queue.enqueue_new`."""
        return self._change("enqueue_new", Sequence[Enqueued], jobs=[request_of(each) for each in jobs])

    def enqueue_bulk(self, kind: str | Handler, args: Iterable[Mapping[str, Any]], /, **options: Unpack[JobOptions]) -> range:
        """Raise `StoreRefused`; use `enqueue_many`."""
        self.refuse()

    # -- services ---------------------------------------------------------------------------------

    @cached_property
    def batches(self) -> Batches:
        """Jobs with one outcome."""
        return RemoteBatches(self._read, self._change, self.clock)

    @cached_property
    def kinds(self) -> KindCatalog:
        """The kinds that may be enqueued."""
        return RemoteKinds(self._read)

    @cached_property
    def workers(self) -> RegisteredWorkers:
        """The worker processes."""
        return RemoteWorkers(self._read, self._change)

    @cached_property
    def limits(self) -> QueueLimits:
        """The limits of queues."""
        return RemoteLimits(self._read, self._change)

    @cached_property
    def schedules(self) -> Schedules:
        """Periodic jobs."""
        return RemoteSchedules(self._read, self._change)

    @cached_property
    def journal(self) -> Journal:
        """The operations of people and programs."""
        return RemoteJournal(self._read, self._change)

    @cached_property
    def history(self) -> History:
        """The past."""
        return RemoteHistory(self._read)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Raise `StoreRefused`."""
        self.refuse()

    # -- inspect ----------------------------------------------------------------------------------

    def get(self, job_id: int) -> Job:
        return self._read("get", Job, job_id=job_id)

    def get_many(self, ids: Sequence[int]) -> Sequence[Job]:
        return self._read("get_many", Sequence[Job], ids=ids) if ids else []

    def list(
        self,
        filter: str | Condition = "",
        *,
        limit: int = 50,
        sort: str = "id",
        descending: bool = True,
        after: PageEnd | None = None,
    ) -> Sequence[Job]:
        end = None if after is None else [after.value, after.job_id]
        return self._read("list", Sequence[Job], filter=_text(filter), limit=limit, sort=sort, descending=descending, after=end)

    def ids(self, filter: str | Condition = "", *, sort: str = "id", descending: bool = True) -> array[int]:
        return self._read("ids", array, filter=_text(filter), sort=sort, descending=descending)

    def count(self, filter: str | Condition = "") -> int:
        return self._read("count", int, filter=_text(filter))

    def count_states(self, filter: str | Condition = "") -> Mapping[State, int]:
        return self._read("count_states", Mapping[State, int], filter=_text(filter))

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        return self._read("attempts", Sequence[Attempt], job_id=job_id)

    def logs(
        self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000, oldest: bool = False
    ) -> Sequence[LogLine]:
        return self._read("logs", Sequence[LogLine], job_id=job_id, attempt=attempt, after=after, limit=limit, oldest=oldest)

    def dependencies(self, job_id: int) -> Dependencies:
        return self._read("dependencies", Dependencies, job_id=job_id)

    def stack(self, job_id: int, *, timeout: float = 0.5) -> Stack:
        return self._read("stack", Stack, job_id=job_id, timeout=timeout)

    def queues(self) -> Sequence[QueueInfo]:
        return self._read("queues", Sequence[QueueInfo])

    def queue_stats(self, *, seconds: float = 300.0, slices: int = 30) -> Sequence[QueueStats]:
        return self._read("queue_stats", Sequence[QueueStats], seconds=seconds, slices=slices)

    def overview(self, *, seconds: float = 600.0, slices: int = 60) -> Overview:
        return self._read("overview", Overview, seconds=seconds, slices=slices)

    def explain(self, job_id: int) -> Explanation:
        return self._read("explain", Explanation, job_id=job_id)

    # -- change -----------------------------------------------------------------------------------

    def change_many(
        self,
        operation: Operation,
        ids: Iterable[int],
        *,
        priority: int = 0,
        relative: bool = True,
        reversible: bool = False,
        actor: str | None = None,
        entry_id: int | None = None,
    ) -> OperationResult:
        return self._change(
            "change_many",
            OperationResult,
            operation=operation,
            ids=[*ids],
            priority=priority,
            relative=relative,
            reversible=reversible,
            entry_id=entry_id,
        )

    def edit(
        self, job_id: int, args: Mapping[str, Any] | None = None, *, actor: str | None = None, **changes: Unpack[EditOptions]
    ) -> Job:
        return self._change("edit", Job, job_id=job_id, args=args, changes=changes)

    def check_edit(self, job_id: int, args: Mapping[str, Any] | None = None, **changes: Unpack[EditOptions]) -> JobEdit:
        return self._change("check_edit", JobEdit, job_id=job_id, args=args, changes=changes)

    def pause(self, queue: str, *, actor: str | None = None) -> bool:
        return self._change("pause", bool, queue=queue)

    def resume(self, queue: str, *, actor: str | None = None) -> bool:
        return self._change("resume", bool, queue=queue)

    def pause_all(self, *, actor: str | None = None) -> Sequence[str]:
        return self._change("pause_all", Sequence[str])

    def resume_all(self, *, actor: str | None = None) -> Sequence[str]:
        return self._change("resume_all", Sequence[str])

    # ---------------------------------------------------------------------------------------------

    def _read(self, name: str, expected: Any, /, **arguments: Any) -> Any:
        return self._client.call(name, expected, arguments, changes=False)

    def _change(self, name: str, expected: Any, /, **arguments: Any) -> Any:
        if self._readonly:
            raise StoreRefused(self.where, "is open for reading only")
        try:
            return self._client.call(name, expected, arguments, changes=True)
        except UnknownKind as error:
            raise self._unknown_kind(error, arguments) from None

    def _unknown_kind(self, error: UnknownKind, arguments: Mapping[str, Any]) -> JobdeckError:
        """Return the error with the kinds that the server knows, if the token may read them."""
        asked = [arguments["kind"]] if "kind" in arguments else [each["kind"] for each in arguments.get("jobs", ())]
        try:
            known = [each.name for each in self.kinds.list()]
        except JobdeckError:
            return error
        unknown = next((each for each in asked if each is not None and handler_kind(each) not in known), None)
        return error if unknown is None else UnknownKind(unknown, known, on_server=True)


def _text(filter: str | Condition) -> str:
    return filter if isinstance(filter, str) else write_filter(filter)
