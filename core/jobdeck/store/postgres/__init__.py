"""The store on a PostgreSQL server: all of its SQL lives in this folder, and in what it shares with SQLite.

It needs the driver `psycopg` (the extra `postgres`), and so is imported only where an address names such a server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType

from ...clock import Clock
from ...jobs import (
    Attempt,
    Batch,
    Changes,
    Completion,
    Edit,
    Failure,
    Job,
    Limits,
    LogLine,
    Nap,
    NewJob,
    Overview,
    QueueInfo,
    Release,
    Stop,
    WorkerInfo,
)
from ...journal import By
from ..base import SOMEBODY, Claimed, Lost, Renewal
from ..looking.conditions import schedule_tail
from ..looking.details import Details
from ..looking.history import KeptHistory
from ..looking.insight import KeptInsight
from ..looking.overview import read_overview
from ..looking.queues import read_queues
from ..measurements import KeptMeasures
from ..people.acts import Acts
from ..people.journal import KeptJournal
from ..people.schedules import KeptSchedules
from ..rooms import Wanted
from ..workers import Workers
from . import logs
from .address import Address
from .bell import Bell
from .care import PostgresCare
from .claim import Claims
from .conditions import POSTGRES
from .connection import Connections, repeated
from .endings import Endings
from .hosting import Hosting
from .house import PostgresHouse
from .intake import Intake
from .looking import DUE, Looking
from .schedules import PAST
from .work import Work


class PostgresStore(Looking, Hosting):
    """A queue in a schema of a PostgreSQL database."""

    def __init__(
        self,
        where: str,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        create: bool = True,
    ) -> None:
        """Connect; make the tables, or bring them up to date, if need be.

        Args:
            where: the address, `postgresql://…`; a schema other than the user's first by
                `?options=-csearch_path%3Dname`.
            clock: where the store reads the time; the server's clock when `None`, which is the same for all workers.
            random: where leases come from; seeded by the operating system when `None`.
            synchronous: `FULL` (an acknowledged write survives a crash of the server's machine, as far as the server is set
                up for it); with `NORMAL` or `OFF` the last moments may be lost then.
            create: make the tables where there are none.

        Raises:
            StoreRefused: it cannot be reached, or cannot be used as it is.
        """
        address = Address.read(where)
        self._connections = Connections(address, clock, synchronous, create=create)
        self._bell = Bell(self._connections)
        self._claims = Claims(self._connections, random or Random())
        self._endings = Endings(self._connections, self._bell.ring)
        self._work = Work(self._connections, self._endings)
        self._intake = Intake(self._connections)
        self._house = house = PostgresHouse(self._connections)
        self._acts = Acts(house)
        self._journal = KeptJournal(house, self._bell.ring)
        self._details = Details(house)
        self._workers = Workers(house)
        self.measures = KeptMeasures(house)
        self.insight = KeptInsight(house, POSTGRES, self._workers)
        self.history = KeptHistory(house, POSTGRES)
        self.schedules = KeptSchedules(house, PAST, schedule_tail)
        self._care = PostgresCare(self._connections)

    def _ring(self, needed: bool) -> None:
        """Wake the workers of all processes, once what woke them can be seen."""
        if needed:
            self._bell.ring()

    @property
    def journal(self) -> KeptJournal:
        return self._journal

    @property
    def care(self) -> PostgresCare:
        return self._care

    # -- into the queue -------------------------------------------------------------------------

    @repeated
    def enqueue_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        stored = self._intake.enqueue(jobs)
        self._ring(bool(stored))
        return stored

    @repeated
    def enqueue_alike(self, pattern: NewJob, args: Sequence[str]) -> range:
        ids = self._intake.enqueue_alike(pattern, args)
        self._ring(bool(ids))
        return ids

    @repeated
    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> Batch:
        with self._connections.transaction():
            found = self._details.batch(self._intake.enqueue_batch(name, jobs))
            self._ring(bool(jobs))
        assert found is not None
        return found

    def get_batch(self, batch: int) -> Batch | None:
        return self._details.batch(batch)

    @repeated
    def limit_queue(self, name: str, limits: Limits, by: By = SOMEBODY) -> None:
        self._acts.limit(name, limits, by)
        self._ring(True)

    @repeated
    def stage_jobs(self, limit: int = 1000) -> int:
        return self._work.stage(limit)

    @repeated
    def expire_jobs(self, limit: int = 1000) -> int:
        return self._work.expire(limit)

    # -- a worker's side ------------------------------------------------------------------------

    @repeated
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
        return self._claims.claim(Wanted(worker, limit, ahead, suspects, kinds, limits, queues, lease, ageing))

    @repeated
    def heartbeat_jobs(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        return self._work.heartbeat(held, lease)

    @repeated
    def complete_jobs(self, endings: Sequence[Completion]) -> Lost:
        return self._endings.complete(endings)

    @repeated
    def fail_jobs(self, endings: Sequence[Failure]) -> Lost:
        return self._endings.fail(endings)

    @repeated
    def snooze_jobs(self, endings: Sequence[Nap]) -> Lost:
        return self._endings.snooze(endings)

    @repeated
    def release_jobs(self, endings: Sequence[Release]) -> Lost:
        lost = self._endings.release(endings)
        self._ring(len(lost) < len(endings))
        return lost

    @repeated
    def stop_jobs(self, endings: Sequence[Stop]) -> Lost:
        return self._endings.stop(endings)

    @repeated
    def report_progress(self, job_id: int, lease: int, progress: float) -> bool:
        return self._work.progress(job_id, lease, progress)

    @repeated
    def rescue_jobs(self, limit: int = 100) -> list[int]:
        rescued = self._work.rescue(limit)
        self._ring(bool(rescued))
        return rescued

    @repeated
    def append_logs(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        with self._connections.writing() as session:
            logs.append(session, lines, keep_bytes)

    @repeated
    def report_worker(self, info: WorkerInfo) -> None:
        self._workers.report(info)

    @repeated
    def forget_worker(self, worker: str) -> None:
        self._workers.forget(worker)

    @repeated
    def prune_workers(self, older_than: float) -> int:
        return self._workers.prune(older_than)

    # -- a person's side ------------------------------------------------------------------------

    @repeated
    def cancel_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.cancel(ids, by)
        self._ring(bool(changes.done))  # a worker that runs one of them shall hear at once
        return changes

    @repeated
    def retry_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.retry(ids, by)
        self._ring(bool(changes.done))
        return changes

    @repeated
    def reprioritise_jobs(self, ids: Sequence[int], priority: int, *, relative: bool = False, by: By = SOMEBODY) -> Changes:
        return self._acts.reprioritise(ids, priority, by, relative=relative)

    @repeated
    def edit_job(self, job_id: int, change: Edit, *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.edit(job_id, change, by)
        self._ring(bool(changes.done))  # it may be ready now, or in a queue that somebody serves
        return changes

    @repeated
    def delete_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.delete(ids, by)
        self._ring(bool(changes.done))  # what waited for one of them may run now
        return changes

    @repeated
    def pause_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        return bool(self._acts.pause(name, by))

    @repeated
    def resume_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        resumed = bool(self._acts.resume(name, by))
        self._ring(resumed)
        return resumed

    @repeated
    def pause_queues(self, *, by: By = SOMEBODY) -> list[str]:
        return self._acts.pause(None, by)

    @repeated
    def resume_queues(self, *, by: By = SOMEBODY) -> list[str]:
        resumed = self._acts.resume(None, by)
        self._ring(bool(resumed))
        return resumed

    # -- looking --------------------------------------------------------------------------------

    def get_job(self, job_id: int) -> Job | None:
        found = self._details.jobs([job_id])
        return found[0] if found else None

    def get_jobs(self, ids: Sequence[int]) -> list[Job]:
        return self._details.jobs(ids)

    def list_attempts(self, job_id: int) -> list[Attempt]:
        return self._details.attempts(job_id)

    def read_logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> list[LogLine]:
        return self._details.logs(job_id, attempt, after, limit)

    def list_queues(self) -> list[QueueInfo]:
        with self._connections.reading() as session:
            return read_queues(session)

    def list_workers(self, lease: float) -> list[WorkerInfo]:
        with self._connections.reading() as session:
            return self._workers.list(session, lease)

    def overview(self, *, seconds: float, slots: int, lease: float) -> Overview:
        return read_overview(self._house, self._workers, seconds, slots, lease, DUE)
