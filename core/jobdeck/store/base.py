"""The interface of a store: one component for each role, and one method for each operation.

Each method is one transaction, or joins the one that `Store.transaction` has opened. A store reads the time from its own
clock, and converts rows to records before it returns them. Failures of the database are raised as a `StoreError`.

Code that both stores share is in classes that work on a `Backend`. Code that differs is defined by a protocol here, and by a
class of the same name in `sqlite/` and in `postgres/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from ..model.jobs import Batch, Job, NewJob
from ..model.record_class import record
from .row_guard import ReadingGuard, RowGuard

if TYPE_CHECKING:
    from ..model.attempt_result import Cancelled, Completed, Failed, Released, Snoozed
    from .backend import Backend
    from .claim_capacity import ClaimRequest
    from .maintenance import StoreMaintenance
    from .metrics.sql_metrics import SqlMetrics
    from .notifier import RequestHandler
    from .operations.queue_operations import QueueOperations
    from .operations.schedules import SqlSchedules
    from .operations.service import Operations
    from .operations.undo import SqlJournal
    from .past_jobs import PastJobs
    from .queries.diagnostics import SqlDiagnostics
    from .queries.dialect import Dialect
    from .queries.history import SqlHistory
    from .queries.job_details import JobReader
    from .queries.job_queries import Queries
    from .transfer import Transfer
    from .workers import Workers

LostLeases = list[int]
"""Ids of jobs whose lease was lost before the call. Nothing was changed for them."""


@record
class HeartbeatResult:
    """The outcome of a heartbeat."""

    lost: frozenset[int]
    """Jobs whose lease is lost: stop their code, drop their results."""
    cancelling: frozenset[int]
    """Jobs that were asked to stop."""


class Claimed(list[Job]):
    """The claimed jobs, in the order of the claim."""

    retry_after: float = inf
    """Seconds after which a limit that withheld jobs may have capacity."""
    contended: bool = False
    """`True` if other claims took jobs that this one wanted, so that more may be ready although it got fewer than requested."""


class Enqueuer(Protocol):
    """Enqueues new jobs."""

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue the jobs, in their order, in one commit. They are durable when this returns.

        If a unique key is taken, the job that holds it replaces the new one in the result.

        Raises:
            UniqueKeyConflict: a unique key is taken, and the new job asks to be refused.
            JobNotFound: a job to wait for does not exist.
        """
        ...

    def enqueue_bulk(self, pattern: NewJob, args: Sequence[str]) -> range:
        """Enqueue one job like `pattern` for each of `args` (JSON objects), in one commit, and return their ids."""
        ...

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob], into: int | None = None) -> Batch:
        """Enqueue the jobs as a batch, or into an existing one, in one commit. Raises as `enqueue` does.

        Raises:
            BatchNotFound: the batch to enqueue into does not exist.
        """
        ...

    def enqueue_in(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        """Enqueue the jobs inside the open transaction of the caller's own connection. Raises as `enqueue` does.

        Raises:
            InvalidOption: the connection is to another database, or has no open transaction.
        """
        ...


class Claimer(Protocol):
    """Claims jobs for workers."""

    def claim(self, request: ClaimRequest) -> Claimed:
        """Claim pending jobs: highest priority first, then lowest id.

        Each job gets a new random lease, and its attempt is counted, in the same statement. Only jobs of the requested kinds
        are claimed, from queues that are not paused and whose limits have capacity; expired jobs are not.
        """
        ...


class Completer(Protocol):
    """Records the results of attempts, for the holder of the lease only."""

    def complete(self, results: Sequence[Completed]) -> LostLeases:
        """Move jobs from `running` to `completed`."""
        ...

    def fail(self, results: Sequence[Failed]) -> LostLeases:
        """Move jobs from `running` to `retrying`, or to `failed` without a `retry_at` or attempts left.

        A job that fails permanently keeps the result's reason; without one, its outcome decides the reason. Fail, snooze and
        release lead to `cancelled` if the job was asked to stop.
        """
        ...

    def snooze(self, results: Sequence[Snoozed]) -> LostLeases:
        """Move jobs from `running` to `scheduled`, and give the attempt back."""
        ...

    def release(self, results: Sequence[Released]) -> LostLeases:
        """Move jobs from `running` to `pending`, and give the attempt back."""
        ...

    def cancel_running(self, results: Sequence[Cancelled]) -> LostLeases:
        """Move jobs from `running` to `cancelled`, once their code has stopped."""
        ...


class Transitions(Protocol):
    """Moves jobs that no result and no person moves, and keeps running jobs alive."""

    def stage(self, limit: int = 1000) -> int:
        """Move due `scheduled` and `retrying` jobs to `pending`, the earliest first; return their number."""
        ...

    def expire(self, limit: int = 1000) -> int:
        """Move queued jobs past their `expires_at` to `failed`; return their number."""
        ...

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> HeartbeatResult:
        """Renew the leases of the `(id, lease)` pairs for `lease` seconds, all in one statement."""
        ...

    def report_progress(self, job_id: int, lease: int, progress: float, message: str | None = None) -> bool:
        """Store the progress of a job (0 to 1), and one line about it; return `False` if the lease is lost."""
        ...

    def rescue(self, limit: int = 100) -> list[int]:
        """Move jobs whose lease has ended to `pending`, or to `failed` if they are out of attempts; return their ids.

        Their attempt is recorded as crashed, and counted in `crashes`.
        """
        ...


class Logs(Protocol):
    """Writes the logs of jobs."""

    def append(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """Append `(job id, attempt, at, level, text)` to the logs; each attempt keeps its newest `keep_bytes`."""
        ...


class Notifier(Protocol):
    """Wakes workers across processes, and passes requests between them."""

    across_machines: bool
    """`True` if requests reach the processes of other machines and users; otherwise those of this machine and user."""

    def notify(self) -> None:
        """Wake every listener of every process. Never raises."""
        ...

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake`, on a thread of the notifier's own, soon after any process has made jobs claimable."""
        ...

    def serve(self, handler: RequestHandler) -> AbstractContextManager[None]:
        """Let `handler` reply to the requests of other processes, while this process listens."""
        ...

    def request(self, question: str, timeout: float) -> str | None:
        """Send a request to every listening process within reach, and return the first reply; `None` without one.

        Raises:
            TimeoutError: a process received the request, and none replied within `timeout` seconds.
        """
        ...

    def close(self) -> None:
        """Close its sockets."""
        ...


class Connections(Protocol):
    """The connections to one database, one for each thread."""

    @property
    def generation(self) -> int:
        """See `Store.generation`."""
        ...

    @property
    def notice(self) -> str | None:
        """See `Store.notice`."""
        ...

    def repaired(self, repair: Callable[[], Sequence[object]]) -> AbstractContextManager[bool]:
        """Let reads see damaged rows as a repair would leave them, and change nothing; give whether there are any.

        Only for connections that are open for reading only. `repair` repairs all damaged rows, and returns them.
        """
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """See `Store.transaction`."""
        ...

    def in_transaction(self) -> bool:
        """See `Store.in_transaction`."""
        ...

    def recreate(self) -> None:
        """See `Store.recreate`."""
        ...

    def version(self) -> object:
        """See `Store.version`."""
        ...

    def lock_wait_started(self) -> float | None:
        """See `Store.lock_wait_started`."""
        ...

    def interrupt(self, thread: int) -> None:
        """See `Store.interrupt`."""
        ...

    def close(self) -> None:
        """See `Store.close`."""
        ...


class Store(ABC):
    """The durable side of the queue, on any database.

    A component is made, and its module imported, when it is first used: a program that only enqueues starts in half the time.
    """

    enqueuer: Enqueuer
    """Enqueues new jobs."""
    notifier: Notifier
    """Wakes workers across processes."""

    def __init__(self, connections: Connections, backend: Backend, dialect: Dialect, *, readonly: bool = False) -> None:
        """Keep what all components work on."""
        self._connections = connections
        self._backend = backend
        self._dialect = dialect
        # Damaged rows are found when a method meets one; the maintenance is made then.
        if readonly:
            self._row_guard: RowGuard = ReadingGuard(lambda: connections.repaired(self._repair_rows))
        else:
            self._row_guard = RowGuard(self._repair_rows)

    def _repair_rows(self) -> Sequence[object]:
        return self.maintenance.repair_rows()

    @cached_property
    def claimer(self) -> Claimer:
        """Claims jobs for workers."""
        return self._row_guard.protect(self._make_claimer())

    @abstractmethod
    def _make_claimer(self) -> Claimer: ...

    @cached_property
    def completer(self) -> Completer:
        """Records the results of attempts."""
        return self._row_guard.protect(self._make_completer())

    @abstractmethod
    def _make_completer(self) -> Completer: ...

    @cached_property
    def transitions(self) -> Transitions:
        """Stages, expires and rescues jobs, renews leases, stores progress."""
        return self._row_guard.protect(self._make_transitions())

    @abstractmethod
    def _make_transitions(self) -> Transitions: ...

    @cached_property
    def logs(self) -> Logs:
        """Writes the logs of jobs."""
        return self._row_guard.protect(self._make_logs())

    @abstractmethod
    def _make_logs(self) -> Logs: ...

    @cached_property
    def queries(self) -> Queries:
        """Lists and counts jobs, lists queues, gives an overview."""
        return self._row_guard.protect(self._make_queries())

    @abstractmethod
    def _make_queries(self) -> Queries: ...

    @cached_property
    def maintenance(self) -> StoreMaintenance:
        """Prunes, checkpoints, backs up and repairs."""
        return self._row_guard.protect(self._make_maintenance(), writes=True)

    @abstractmethod
    def _make_maintenance(self) -> StoreMaintenance: ...

    @cached_property
    def transfer(self) -> Transfer:
        """Copies all rows to another database."""
        return self._make_transfer()

    @abstractmethod
    def _make_transfer(self) -> Transfer: ...

    @cached_property
    def past_jobs(self) -> PastJobs:
        """Adds jobs that have ended elsewhere."""
        from .past_jobs import PastJobs

        return PastJobs(self._backend, self.transfer)

    @cached_property
    def jobs(self) -> Operations:
        """Cancels, retries, reprioritizes, edits and deletes jobs."""
        from .operations.service import Operations

        return self._row_guard.protect(Operations(self._backend))

    @cached_property
    def queues(self) -> QueueOperations:
        """Pauses, resumes and limits queues."""
        from .operations.queue_operations import QueueOperations

        return self._row_guard.protect(QueueOperations(self._backend))

    @cached_property
    def journal(self) -> SqlJournal:
        """Lists, undoes and redoes operations."""
        from .operations.undo import SqlJournal

        return self._row_guard.protect(SqlJournal(self._backend))

    @cached_property
    def schedules(self) -> SqlSchedules:
        """Stores periodic jobs."""
        from .operations.schedules import SqlSchedules

        return self._row_guard.protect(SqlSchedules(self._backend, self._dialect))

    @cached_property
    def workers(self) -> Workers:
        """Keeps the list of workers."""
        from .workers import Workers

        return self._row_guard.protect(Workers(self._backend))

    @cached_property
    def reader(self) -> JobReader:
        """Reads single jobs, their attempts, logs and dependencies."""
        from .queries.job_details import JobReader

        return self._row_guard.protect(JobReader(self._backend))

    @cached_property
    def metrics(self) -> SqlMetrics:
        """Aggregates throughput, latencies, depths and failures."""
        from .metrics.sql_metrics import SqlMetrics

        return self._row_guard.protect(SqlMetrics(self._backend, self._dialect))

    @cached_property
    def diagnostics(self) -> SqlDiagnostics:
        """Reads what decides whether a job is claimed."""
        from .queries.diagnostics import SqlDiagnostics

        return self._row_guard.protect(SqlDiagnostics(self._backend, self._dialect, self.workers))

    @cached_property
    def history(self) -> SqlHistory:
        """Reads runs and events."""
        from .queries.history import SqlHistory

        return self._row_guard.protect(SqlHistory(self._backend, self._dialect))

    @property
    def notice(self) -> str | None:
        """Return what a reader of a read-only store must know: what is not shown, or not as it is stored."""
        return self._connections.notice

    def close(self) -> None:
        """Close every connection. The store cannot be used afterwards."""
        self._connections.close()
        self.notifier.close()

    def transaction(self) -> AbstractContextManager[Any]:
        """Open a transaction: the operations inside it are atomic.

        Inside an open transaction this is a part of that one; an exception then undoes this part only.
        """
        return self._connections.transaction()

    def in_transaction(self) -> bool:
        """Return whether this thread has an open transaction."""
        return self._connections.in_transaction()

    @property
    def generation(self) -> int:
        """Which of the databases that have been at the store's address this thread uses, counted from 0.

        It grows with each `StoreReplaced` that the thread gets.
        """
        return self._connections.generation

    def recreate(self) -> None:
        """Create a new, empty database if there is none anymore. Does nothing if there is one."""
        self._connections.recreate()

    def version(self) -> object:
        """Return a value that differs as soon as any process has changed the database; `None` if that is unknown."""
        return self._connections.version()

    def interrupt(self, thread: int) -> None:
        """Make a call by the thread with this identifier fail that may never return, if that is possible."""
        self._connections.interrupt(thread)

    def lock_wait_started(self) -> float | None:
        """Return since when, on the monotonic clock, a call has been waiting for another process's lock. Reads no database."""
        return self._connections.lock_wait_started()
