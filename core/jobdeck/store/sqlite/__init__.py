"""The store on an embedded SQLite file: all of its SQL lives in this folder."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import MappingProxyType

from ...clock import Clock, SystemClock
from ...jobs import (
    Attempt,
    Batch,
    Changes,
    Completion,
    Edit,
    Failure,
    Family,
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
from ...query import Condition
from ...states import State
from ..base import SOMEBODY, Answerer, Claimed, Lost, Renewal, Store
from ..doorbell import Doorbell
from ..looking.conditions import schedule_tail
from ..looking.details import Details
from ..looking.history import KeptHistory
from ..looking.insight import KeptInsight
from ..looking.overview import read_overview
from ..looking.queues import read_queues
from ..looking.relatives import read_family
from ..measurements import KeptMeasures
from ..people.acts import Acts
from ..people.journal import KeptJournal
from ..people.schedules import KeptSchedules
from ..rooms import Wanted
from ..workers import Workers
from .care import SqliteCare
from .claim import Claims
from .conditions import SQLITE
from .connection import Connections
from .guest import guest
from .house import SqliteHouse
from .intake import Intake
from .logs import Logs
from .looks import DUE, Looks
from .schedules import PAST
from .work import Work


class SqliteStore(Store):
    """A queue in one SQLite file."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        synchronous: str = "FULL",
        adopt: bool = False,
    ) -> None:
        """Open the file; make it, or bring its schema up to date, if need be.

        Args:
            path: the file.
            clock: where the store reads the time.
            random: where leases come from; seeded by the operating system when `None`.
            synchronous: `FULL` (an acknowledged write survives power loss), `NORMAL` or `OFF`.
            adopt: put the queue into a database that holds tables of another program.

        Raises:
            StoreRefused: the file is not a database, damaged, read-only, another program's or newer.
        """
        self._clock = clock or SystemClock()
        self._connections = Connections(path, self._clock, synchronous, adopt=adopt)
        self._doorbell = Doorbell(path)
        self._claims = Claims(self._connections, self._clock, random or Random())
        self._work = Work(self._connections, self._clock, self._doorbell.ring)
        self._intake = Intake(self._connections, self._clock)
        self._logs = Logs(self._connections)
        self._house = house = SqliteHouse(self._connections, self._clock)
        self._acts = Acts(house)
        self._looks = Looks(self._connections, self._clock)
        self._details = Details(house)
        self._workers = Workers(house)
        self.measures = KeptMeasures(house, "INDEXED BY jobdeck_failures")
        self.insight = KeptInsight(house, SQLITE, self._workers)
        self.history = KeptHistory(house, SQLITE)
        self._journal = KeptJournal(house, partial(self._ring, True))
        self._care = SqliteCare(self._connections, path, self._clock)
        self.schedules = KeptSchedules(house, PAST, schedule_tail)

    def close(self) -> None:
        self._connections.close()
        self._doorbell.close()

    @property
    def file(self) -> int:
        return self._connections.file

    def renew(self) -> None:
        self._connections.renew()

    def version(self) -> object:
        with self._connections.reading() as connection:
            # The commits of all other connections, and the rows that this one has changed itself.
            return id(connection), connection.pragma("data_version"), connection.total_changes()

    def waiting_since(self) -> float | None:
        return self._connections.waiting_since()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._connections.transaction():
            yield

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        return self._doorbell.listen(wake)

    def answer(self, answerer: Answerer) -> AbstractContextManager[None]:
        return self._doorbell.answer(answerer)

    def ask(self, question: str, timeout: float) -> str | None:
        return self._doorbell.ask(question, timeout)

    def _ring(self, needed: bool) -> None:
        """Wake the workers of all processes, once what woke them can be seen."""
        if needed:
            self._connections.after_commit(self._doorbell.ring)

    @property
    def journal(self) -> KeptJournal:
        return self._journal

    @property
    def care(self) -> SqliteCare:
        return self._care

    # -- into the queue -------------------------------------------------------------------------

    def enqueue_jobs(self, jobs: Sequence[NewJob]) -> list[Job]:
        stored = self._intake.enqueue(jobs)
        self._ring(bool(stored))
        return stored

    def enqueue_alike(self, pattern: NewJob, args: Sequence[str]) -> range:
        ids = self._intake.enqueue_alike(pattern, args)
        self._ring(bool(ids))
        return ids

    def enqueue_batch(self, name: str, jobs: Sequence[NewJob]) -> Batch:
        with self._connections.transaction():
            found = self._details.batch(self._intake.enqueue_batch(name, jobs))
            self._ring(bool(jobs))
        assert found is not None
        return found

    def enqueue_through(self, connection: object, jobs: Sequence[NewJob]) -> list[Job]:
        return self._intake.enqueue_in(guest(connection, self._connections), jobs)

    def wake(self) -> None:
        self._doorbell.ring()

    def get_batch(self, batch: int) -> Batch | None:
        return self._details.batch(batch)

    def stage_jobs(self, limit: int = 1000) -> int:
        return self._work.stage(limit)

    def expire_jobs(self, limit: int = 1000) -> int:
        return self._work.expire(limit)

    def next_due_at(self) -> float | None:
        return self._looks.next_due_at()

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
        return self._claims.claim(Wanted(worker, limit, ahead, suspects, kinds, limits, queues, lease, ageing))

    def heartbeat_jobs(self, held: Iterable[tuple[int, int]], lease: float) -> Renewal:
        return self._work.heartbeat(held, lease)

    def complete_jobs(self, endings: Sequence[Completion]) -> Lost:
        return self._work.complete(endings)

    def fail_jobs(self, endings: Sequence[Failure]) -> Lost:
        return self._work.fail(endings)

    def snooze_jobs(self, endings: Sequence[Nap]) -> Lost:
        return self._work.snooze(endings)

    def release_jobs(self, endings: Sequence[Release]) -> Lost:
        lost = self._work.release(endings)
        self._ring(len(lost) < len(endings))
        return lost

    def stop_jobs(self, endings: Sequence[Stop]) -> Lost:
        return self._work.stop(endings)

    def report_progress(self, job_id: int, lease: int, progress: float) -> bool:
        return self._work.progress(job_id, lease, progress)

    def rescue_jobs(self, limit: int = 100) -> list[int]:
        rescued = self._work.rescue(limit)
        self._ring(bool(rescued))
        return rescued

    def append_logs(self, lines: Sequence[tuple[int, int, float, str, str]], keep_bytes: int) -> None:
        self._logs.append(lines, keep_bytes)

    def report_worker(self, info: WorkerInfo) -> None:
        self._workers.report(info)

    def forget_worker(self, worker: str) -> None:
        self._workers.forget(worker)

    def prune_workers(self, older_than: float) -> int:
        return self._workers.prune(older_than)

    # -- a person's side ------------------------------------------------------------------------

    def cancel_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.cancel(ids, by)
        self._ring(bool(changes.done))  # a worker that runs one of them shall hear at once
        return changes

    def retry_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.retry(ids, by)
        self._ring(bool(changes.done))
        return changes

    def reprioritise_jobs(self, ids: Sequence[int], priority: int, *, relative: bool = False, by: By = SOMEBODY) -> Changes:
        return self._acts.reprioritise(ids, priority, by, relative=relative)

    def edit_job(self, job_id: int, change: Edit, *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.edit(job_id, change, by)
        self._ring(bool(changes.done))  # it may be ready now, or in a queue that somebody serves
        return changes

    def delete_jobs(self, ids: Sequence[int], *, by: By = SOMEBODY) -> Changes:
        changes = self._acts.delete(ids, by)
        self._ring(bool(changes.done))  # what waited for one of them may run now
        return changes

    def limit_queue(self, name: str, limits: Limits, by: By = SOMEBODY) -> None:
        self._acts.limit(name, limits, by)
        self._ring(True)

    def pause_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        return bool(self._acts.pause(name, by))

    def resume_queue(self, name: str, *, by: By = SOMEBODY) -> bool:
        resumed = bool(self._acts.resume(name, by))
        self._ring(resumed)
        return resumed

    def pause_queues(self, *, by: By = SOMEBODY) -> list[str]:
        return self._acts.pause(None, by)

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

    def list_jobs(self, condition: Condition, *, limit: int, sort: str = "id", descending: bool = True) -> list[Job]:
        return self._looks.page(condition, limit, sort, descending)

    def list_ids(
        self, condition: Condition, *, sort: str = "id", descending: bool = True, limit: int | None = None
    ) -> array[int]:
        return self._looks.ids(condition, sort, descending, limit)

    def count_jobs(self, condition: Condition) -> int:
        return self._looks.count(condition)

    def count_states(self, condition: Condition) -> dict[State, int]:
        return self._looks.states(condition)

    def get_family(self, job_id: int) -> Family:
        with self._connections.reading() as connection:
            return read_family(connection, job_id)

    def list_attempts(self, job_id: int) -> list[Attempt]:
        return self._details.attempts(job_id)

    def read_logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> list[LogLine]:
        return self._details.logs(job_id, attempt, after, limit)

    def list_queues(self) -> list[QueueInfo]:
        with self._connections.reading() as connection:
            return read_queues(connection)

    def list_workers(self, lease: float) -> list[WorkerInfo]:
        with self._connections.reading() as connection:
            return self._workers.list(connection, lease)

    def overview(self, *, seconds: float, slots: int, lease: float) -> Overview:
        return read_overview(self._house, self._workers, seconds, slots, lease, DUE)
