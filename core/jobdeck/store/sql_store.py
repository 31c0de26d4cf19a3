"""A store made of parts: each call is the work of one, in one transaction, and then those who wait hear of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar

from ..model.attempt_result import Completion, Failure, Nap, Release, Stop
from ..model.jobs import Attempt, Batch, Changes, Edit, Family, Job, Limits, LogLine, NewJob
from ..model.journal import By
from ..model.overview import Overview, QueueInfo, WorkerInfo
from .backend import House
from .base import SOMEBODY, Claimed, Lost, Renewal, Store
from .claim_capacity import Wanted
from .operations.service import Acts
from .operations.undo import KeptJournal
from .queries.dependencies import read_family
from .queries.job_details import Details
from .queries.overview import read_overview
from .queries.queues import read_queues
from .workers import Workers

T = TypeVar("T")


class Intake(Protocol):
    """Puts new jobs into the queue."""

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Job]:
        """See `Store.enqueue_jobs`."""
        ...

    def enqueue_alike(self, pattern: NewJob, args: Sequence[str]) -> range:
        """See `Store.enqueue_alike`."""
        ...

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> int:
        """See `Store.enqueue_batch`; returns the id of the batch."""
        ...


class Claims(Protocol):
    """Hands jobs out."""

    def claim(self, wanted: Wanted) -> Claimed:
        """See `Store.claim_jobs`."""
        ...


class Work(Protocol):
    """Keeps up what is handed out, and what is not yet."""

    def stage(self, limit: int) -> int:
        """See `Store.stage_jobs`."""
        ...

    def expire(self, limit: int) -> int:
        """See `Store.expire_jobs`."""
        ...

    def heartbeat(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        """See `Store.heartbeat_jobs`."""
        ...

    def progress(self, job_id: int, lease: int, progress: float) -> bool:
        """See `Store.report_progress`."""
        ...

    def rescue(self, limit: int) -> list[int]:
        """See `Store.rescue_jobs`."""
        ...


class Endings(Protocol):
    """Takes back what has ended."""

    def complete(self, endings: Sequence[Completion]) -> Lost:
        """See `Store.complete_jobs`."""
        ...

    def fail(self, endings: Sequence[Failure]) -> Lost:
        """See `Store.fail_jobs`."""
        ...

    def snooze(self, endings: Sequence[Nap]) -> Lost:
        """See `Store.snooze_jobs`."""
        ...

    def release(self, endings: Sequence[Release]) -> Lost:
        """See `Store.release_jobs`."""
        ...

    def stop(self, endings: Sequence[Stop]) -> Lost:
        """See `Store.stop_jobs`."""
        ...


class PartedStore(Store):
    """What stores have in common. Each names its parts."""

    _house: House
    _intake: Intake
    _claims: Claims
    _work: Work
    _endings: Endings
    _acts: Acts
    _journal: KeptJournal
    _details: Details
    _workers: Workers
    _due: str
    """The statement that tells when the next job is due."""

    @abstractmethod
    def _ring(self, needed: bool) -> None:
        """Wake the workers of all processes if they need it, once what woke them can be seen."""

    def _once(self, act: Callable[[], T]) -> T:
        """Do what is one transaction."""
        return self._house.repeat(act)

    @property
    def journal(self) -> KeptJournal:
        return self._journal

    # -- into the queue -------------------------------------------------------------------------

    def enqueue_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        stored = self._once(lambda: self._intake.enqueue(jobs))
        self._ring(bool(stored))
        return stored

    def enqueue_alike(self, pattern: NewJob, args: Sequence[str]) -> range:
        ids = self._once(lambda: self._intake.enqueue_alike(pattern, args))
        self._ring(bool(ids))
        return ids

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> Batch:
        def act() -> Batch | None:
            with self.transaction():
                return self._details.batch(self._intake.enqueue_batch(name, jobs))

        found = self._once(act)
        self._ring(bool(jobs))
        assert found is not None
        return found

    def get_batch(self, batch: int) -> Batch | None:
        return self._details.batch(batch)

    def stage_jobs(self, limit: int = 1000) -> int:
        return self._once(lambda: self._work.stage(limit))

    def expire_jobs(self, limit: int = 1000) -> int:
        return self._once(lambda: self._work.expire(limit))

    # -- a worker's side ------------------------------------------------------------------------

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
        wanted = Wanted(worker, limit, ahead, suspects, kinds, limits, queues, lease, ageing)
        return self._once(lambda: self._claims.claim(wanted))

    def heartbeat_jobs(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        return self._once(lambda: self._work.heartbeat(held, lease))

    def complete_jobs(self, endings: Sequence[Completion]) -> Lost:
        return self._once(lambda: self._endings.complete(endings))

    def fail_jobs(self, endings: Sequence[Failure]) -> Lost:
        return self._once(lambda: self._endings.fail(endings))

    def snooze_jobs(self, endings: Sequence[Nap]) -> Lost:
        return self._once(lambda: self._endings.snooze(endings))

    def release_jobs(self, endings: Sequence[Release]) -> Lost:
        lost = self._once(lambda: self._endings.release(endings))
        self._ring(len(lost) < len(endings))
        return lost

    def stop_jobs(self, endings: Sequence[Stop]) -> Lost:
        return self._once(lambda: self._endings.stop(endings))

    def report_progress(self, job_id: int, lease: int, progress: float) -> bool:
        return self._once(lambda: self._work.progress(job_id, lease, progress))

    def rescue_jobs(self, limit: int = 100) -> list[int]:
        rescued = self._once(lambda: self._work.rescue(limit))
        self._ring(bool(rescued))
        return rescued

    def report_worker(self, info: WorkerInfo) -> None:
        self._once(lambda: self._workers.report(info))

    def forget_worker(self, worker: str) -> None:
        self._once(lambda: self._workers.forget(worker))

    def prune_workers(self, older_than: float) -> int:
        return self._once(lambda: self._workers.prune(older_than))

    # -- a person's side ------------------------------------------------------------------------

    def cancel_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        # A worker that runs one of them shall hear at once.
        return self._heard(lambda: self._acts.cancel(ids, by))

    def retry_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        return self._heard(lambda: self._acts.retry(ids, by))

    def reprioritise_jobs(self, ids: Sequence[int], priority: int, *, relative: bool = False, by: By = SOMEBODY) -> Changes:
        return self._once(lambda: self._acts.reprioritise(ids, priority, by, relative=relative))

    def edit_job(self, job_id: int, change: Edit, *, by: By = SOMEBODY) -> Changes:
        # It may be ready now, or in a queue that somebody serves.
        return self._heard(lambda: self._acts.edit(job_id, change, by))

    def delete_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        # What waited for one of them may run now.
        return self._heard(lambda: self._acts.delete(ids, by))

    def _heard(self, act: Callable[[], Changes]) -> Changes:
        changes = self._once(act)
        self._ring(bool(changes.done))
        return changes

    def limit_queue(self, name: str, limits: Limits, by: By = SOMEBODY) -> None:
        self._once(lambda: self._acts.limit(name, limits, by))
        self._ring(True)

    def pause_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        return bool(self._once(lambda: self._acts.pause(name, by)))

    def resume_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        return bool(self._resume(name, by))

    def pause_queues(self, *, by: By = SOMEBODY) -> list[str]:
        return self._once(lambda: self._acts.pause(None, by))

    def resume_queues(self, *, by: By = SOMEBODY) -> list[str]:
        return self._resume(None, by)

    def _resume(self, name: str | None, by: By) -> list[str]:
        resumed = self._once(lambda: self._acts.resume(name, by))
        self._ring(bool(resumed))
        return resumed

    # -- looking --------------------------------------------------------------------------------

    def get_job(self, job_id: int) -> Job | None:
        found = self._details.jobs([job_id])
        return found[0] if found else None

    def get_jobs(self, ids: Sequence[int]) -> list[Job]:
        return self._details.jobs(ids)

    def get_family(self, job_id: int) -> Family:
        with self._house.reading() as connection:
            return read_family(connection, job_id)

    def list_attempts(self, job_id: int) -> list[Attempt]:
        return self._details.attempts(job_id)

    def read_logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> list[LogLine]:
        return self._details.logs(job_id, attempt, after, limit)

    def list_queues(self) -> list[QueueInfo]:
        with self._house.reading() as connection:
            return read_queues(connection)

    def list_workers(self, lease: float) -> list[WorkerInfo]:
        with self._house.reading() as connection:
            return self._workers.list(connection, lease)

    def overview(self, *, seconds: float, slots: int, lease: float) -> Overview:
        return read_overview(self._house, self._workers, seconds, slots, lease, self._due)
