"""What a store must do. The interface reads as a job's life: one method per transition.

Every method is one transaction, or part of the one opened with `transaction()`. A store reads the time
from its own clock, and turns its rows into records before they leave it. What a database cannot do is
raised as a `StoreError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from ..model.attempt_result import Completion, Failure, Nap, Release, Stop
from ..model.filter import Condition
from ..model.jobs import Attempt, Batch, Changes, Edit, Family, Job, Limits, LogLine, NewJob
from ..model.journal import By
from ..model.overview import Overview, QueueInfo, WorkerInfo
from ..model.states import State
from .history import History
from .insight import Insight
from .journal import Journal
from .maintenance import Care
from .measures import Measures
from .schedules import Schedules

Answerer = Callable[[str, Callable[[str], None]], bool]
"""Takes a question and a way to answer it, from any thread, once; returns whether it answers, now or soon. Never waits."""
Lost = list[int]
"""Ids of jobs whose lease was lost before the call. Nothing of them was changed."""


SORTS = (
    *("id", "state", "kind", "queue", "priority", "attempt", "age", "took", "error"),
    *("due", "started", "finished", "wait", "worker", "tags", "unique", "batch", "progress", "args"),
)
"""What a list can be sorted by. Jobs without the value come last, whichever way round."""
SOMEBODY = By()
"""Who acts where nobody says so."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a heartbeat found."""

    lost: frozenset[int]
    """Jobs whose lease is gone: stop their code, drop their results."""
    cancelling: frozenset[int]
    """Jobs that were asked to stop."""


class Claimed(list[Job]):
    """The jobs that a claim got, in their order."""

    again: float = inf
    """Seconds after which a limit that withheld some may leave room."""


class Store(ABC):
    """The durable side of the queue."""

    schedules: Schedules
    """Periodic jobs."""
    measures: Measures
    """What is counted and timed beside the queue."""
    insight: Insight
    """What decides whether a job is claimed."""
    history: History
    """What has happened."""

    # -- the frame ------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Close every connection. The store cannot be used afterwards."""

    @property
    def file(self) -> int:
        """Which of the databases that have been at the store's place the calling thread is at, counted from 0.

        It grows with each `StoreReplaced` that the thread is told.
        """
        return 0

    def renew(self) -> None:
        """Make a new and empty database where there is none any more. Does nothing where there is one."""
        return

    def version(self) -> object:
        """What is another one as soon as any process has changed the database; `None` where that cannot be told."""
        return None

    def waiting_since(self) -> float | None:
        """Since when, on the monotonic clock, a call has been waiting for another process's lock. Asks no database."""
        return None

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside happens at once, or not at all.

        Inside an open one it becomes a part of that; an exception then undoes this part only.
        """

    @abstractmethod
    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake`, on a thread of the store's, soon after any process has made jobs claimable."""

    def answer(self, answerer: Answerer) -> AbstractContextManager[None]:
        """Have `answerer` answer what others on this machine `ask`, while this process listens."""
        return nullcontext()

    def ask(self, question: str, timeout: float) -> str | None:
        """Put a question to every process on this machine that listens, and return the first answer; `None` without one.

        Raises:
            TimeoutError: somebody heard it, and nobody answered within so many seconds.
        """
        return None

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """What people did, and how to undo it."""

    @property
    @abstractmethod
    def care(self) -> Care:
        """What keeps the store healthy: pruning, the size of its log, backups."""

    # -- into the queue -------------------------------------------------------------------------

    @abstractmethod
    def enqueue_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        """Put the jobs in, in their order, in one commit. They are durable when this returns.

        Where a unique key is taken, the job that holds it takes the new one's place in what is returned.

        Raises:
            NotUnique: a unique key is taken, and the new job asks to be refused.
            JobNotFound: a job to wait for does not exist.
        """

    @abstractmethod
    def enqueue_alike(self, pattern: NewJob, args: Sequence[str]) -> range:
        """Put in one job like `pattern` for each of `args` (JSON objects), in one commit; returns their ids."""

    @abstractmethod
    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> Batch:
        """Put the jobs in, in one commit, as a batch."""

    @abstractmethod
    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        """Put the jobs in inside the open transaction of a connection that is the caller's.

        Raises:
            InvalidOption: the connection is not one to this database.
        """

    @abstractmethod
    def wake(self) -> None:
        """Ring: every listener of every process wakes."""

    @abstractmethod
    def get_batch(self, batch: int) -> Batch | None:
        """The batch as it is now, or `None`."""

    @abstractmethod
    def limit_queue(self, name: str, limits: Limits, by: By = SOMEBODY) -> None:
        """From now on these limits hold for the queue, and no others. Journaled where that changes something."""

    @abstractmethod
    def stage_jobs(self, limit: int = 1000) -> int:
        """Move due `scheduled` and `retrying` jobs to `pending`; returns how many."""

    @abstractmethod
    def expire_jobs(self, limit: int = 1000) -> int:
        """Queued jobs past their `expires_at` → `failed`; returns how many."""

    @abstractmethod
    def next_due_at(self) -> float | None:
        """When the next `scheduled` or `retrying` job is due, or a queued one expires, by this machine's clock."""

    # -- a worker's side ------------------------------------------------------------------------

    @abstractmethod
    def claim_jobs(
        self,
        worker: str,
        limit: int,
        *,
        kinds: Collection[str],
        queues: Collection[str],
        lease: float,
        ahead: int = 0,
        suspects: bool = True,
        limits: Mapping[str, int] = MappingProxyType({}),
        ageing: float = 0.0,
    ) -> Claimed:
        """Claim pending jobs for `worker`: highest priority first, then lowest id.

        Each gets a fresh random lease that ends in `lease` seconds, and its attempt is counted, in the
        same statement. Only `kinds` are claimed, from `queues` (empty means all) that are not paused and whose limits
        leave room; a job that has expired is not.

        Args:
            worker: who claims.
            limit: how many at most: a thread waits for each.
            kinds: the kinds that the worker runs.
            queues: the queues that it serves.
            lease: seconds.
            ahead: how many more, to be begun within moments. Those could be interrupted by a crash before they have
                begun, so none is among them for which this would be the last attempt, or which has been through it.
            suspects: whether one job that a crash has interrupted may be among them.
            limits: kind → how many of it may run at once, in all processes together.
            ageing: seconds of being due that count as one step of priority; 0 means that priorities do not age.
        """

    @abstractmethod
    def heartbeat_jobs(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        """Renew the leases of the `(id, lease)` pairs, all in one statement."""

    @abstractmethod
    def complete_jobs(self, endings: Sequence[Completion]) -> Lost:
        """`running` → `completed`, for the holder of the lease only."""

    @abstractmethod
    def fail_jobs(self, endings: Sequence[Failure]) -> Lost:
        """`running` → `retrying`, for the holder of the lease only; `failed` without a `retry_at` or attempts left.

        A job that fails for good keeps the ending's reason; without one, its outcome tells it.
        This, a snooze and a release lead to `cancelled` where the job was asked to stop.
        """

    @abstractmethod
    def snooze_jobs(self, endings: Sequence[Nap]) -> Lost:
        """`running` → `scheduled`, the attempt given back, for the holder of the lease only."""

    @abstractmethod
    def release_jobs(self, endings: Sequence[Release]) -> Lost:
        """`running` → `pending`, the attempt given back, for the holder of the lease only."""

    @abstractmethod
    def stop_jobs(self, endings: Sequence[Stop]) -> Lost:
        """`running` → `cancelled`, for the holder of the lease only, once the code has stopped."""

    @abstractmethod
    def report_progress(self, job_id: int, lease: int, progress: float) -> bool:
        """Store how far the job is (0 to 1); `False` if the lease is lost."""

    @abstractmethod
    def rescue_jobs(self, limit: int = 100) -> list[int]:
        """Take back jobs whose lease has ended: `pending` again, or `failed` if out of attempts.

        Their attempt is recorded as crashed, and counted in `crashes`. Returns their ids.
        """

    @abstractmethod
    def append_logs(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        """Add `(job id, attempt, at, level, text)` to the logs; each attempt keeps its newest `keep_bytes`."""

    @abstractmethod
    def report_worker(self, info: WorkerInfo) -> None:
        """Record that the worker lives. Its `heartbeat_at` becomes now."""

    @abstractmethod
    def forget_worker(self, worker: str) -> None:
        """The worker has ended cleanly."""

    @abstractmethod
    def prune_workers(self, older_than: float) -> int:
        """Forget workers that died without a word more than `older_than` seconds ago; returns how many."""

    # -- a person's side ------------------------------------------------------------------------
    #
    # Each act is journaled, by whom and with what it takes to undo it, in the transaction of the act.

    @abstractmethod
    def cancel_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        """Queued jobs → `cancelled` at once; running jobs are asked to stop."""

    @abstractmethod
    def retry_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        """Final, `retrying` or `scheduled` jobs → `pending`, with at least one more attempt allowed."""

    @abstractmethod
    def reprioritise_jobs(self, ids: Sequence[int], priority: int, *, relative: bool = False, by: By = SOMEBODY) -> Changes:
        """Set the priority of queued jobs, or add to it where `relative`."""

    @abstractmethod
    def edit_job(self, job_id: int, change: Edit, *, by: By = SOMEBODY) -> Changes:
        """Give a queued job other arguments or options. Another time moves it between `pending` and `scheduled`."""

    @abstractmethod
    def delete_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        """Remove jobs that are not running, with their attempts and logs."""

    @abstractmethod
    def pause_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        """Claim nothing more from the queue; `False` if it was paused before."""

    @abstractmethod
    def resume_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        """Claim from the queue again; `False` if it was not paused."""

    @abstractmethod
    def pause_queues(self, *, by: By = SOMEBODY) -> list[str]:
        """Claim nothing more from any queue that there is now; returns those that were not paused before. One act."""

    @abstractmethod
    def resume_queues(self, *, by: By = SOMEBODY) -> list[str]:
        """Claim from every paused queue again; returns them. One act."""

    # -- looking --------------------------------------------------------------------------------

    @abstractmethod
    def get_job(self, job_id: int) -> Job | None:
        """The job, or `None`."""

    @abstractmethod
    def get_jobs(self, ids: Sequence[int]) -> list[Job]:
        """Those of the jobs that exist, in the order of `ids`."""

    @abstractmethod
    def list_jobs(self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True) -> list[Job]:
        """The first `limit` jobs that meet the condition."""

    @abstractmethod
    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        """The ids of all jobs that meet the condition, in order. Cheap enough for a million."""

    @abstractmethod
    def count_states(self, condition: Condition) -> dict[State, int]:
        """How many jobs in each state meet the condition."""

    @abstractmethod
    def count_jobs(self, condition: Condition) -> int:
        """How many jobs meet the condition."""

    @abstractmethod
    def get_family(self, job_id: int) -> Family:
        """The jobs that it came after, and those that came after it; empty where there is no such job."""

    @abstractmethod
    def list_attempts(self, job_id: int) -> list[Attempt]:
        """The attempts of a job, oldest first, the running one last."""

    @abstractmethod
    def read_logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> list[LogLine]:
        """The log lines of a job with an id above `after`, oldest first: at most `limit`, the newest of them."""

    @abstractmethod
    def list_queues(self) -> list[QueueInfo]:
        """Every queue that has jobs or is paused, by name."""

    @abstractmethod
    def list_workers(self, lease: float) -> list[WorkerInfo]:
        """The workers that have reported and not ended, oldest first. Alive: heard of within `lease` seconds."""

    @abstractmethod
    def overview(self, *, seconds: float, slots: int, lease: float) -> Overview:
        """One consistent look at the queue, with metrics over the last `seconds` cut into `slots`."""
