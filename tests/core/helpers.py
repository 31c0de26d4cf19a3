"""Shared helpers of the engine tests: a fake clock, a polling wait, and direct access to the rows of the store."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from jobdeck import Job, NewJob, Queue, Registry, Settings, State
from jobdeck.kinds.registry import Entry
from jobdeck.model.attempt_result import Cancelled, Completed, Failed, Released, Snoozed
from jobdeck.store.base import Claimed, Store
from jobdeck.store.claim_capacity import ClaimRequest

NOON = 1_750_000_000.0
"""The initial wall clock time of the tests, in June 2025."""


class FakeClock:
    """A clock that advances only on request."""

    def __init__(self) -> None:
        self.wall = NOON
        self.machine = 1000.0
        self.booted = "first boot"

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.machine

    def boot(self) -> str:
        return self.booted

    def advance(self, seconds: float) -> None:
        """Advance the wall clock and the monotonic clock."""
        self.wall += seconds
        self.machine += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; the monotonic clock continues."""
        self.wall += seconds

    def reboot(self) -> None:
        """Simulate a reboot, which resets the monotonic clock."""
        self.machine = 5.0
        self.booted += "+"


PARENT = "demo.parent"
"""The kind of the parent of a job in state `waiting`."""


def wait_until(condition: Callable[[], Any], timeout: float = 10.0, what: str = "the condition") -> Any:
    """Poll until the condition holds and return its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {timeout:g} s")
        time.sleep(0.005)


def new(kind: str = "demo.work", queue: str = "default", priority: int = 0, **options: Any) -> NewJob:
    """Return a validated job, like `Queue.draft`."""
    defaults: dict[str, Any] = {"args_json": "{}", "max_attempts": 3}
    return NewJob(kind=kind, queue=queue, priority=priority, **{**defaults, **options})


class Bench:
    """A store and its clock, with short methods for common test steps."""

    def __init__(self, store: Store, clock: FakeClock, path: Path) -> None:
        self.store = store
        self.clock = clock
        self.path = path

    def open_again(self) -> Store:
        """Open a second store of the same queue, which stands for another process."""
        kind = next(name for name in STORES if f".{name}" in type(self.store).__module__)
        return STORES[kind](self.path, self.clock)

    def enqueue(self, *jobs: NewJob) -> list[Job]:
        return self.store.enqueuer.enqueue(jobs or [new()])

    def claim(
        self,
        limit: int = 1,
        worker: str = "w1",
        *,
        kinds: tuple[str, ...] = (),
        queues: tuple[str, ...] = (),
        lease: float = 30.0,
        **more: Any,
    ) -> Claimed:
        served = kinds or tuple({kind for (kind,) in self.rows("SELECT DISTINCT kind FROM jobdeck_jobs")})
        return self.store.claimer.claim(ClaimRequest(worker, limit, kinds=served, queues=queues, lease=lease, **more))

    def running(self, **options: Any) -> Job:
        """Enqueue a job, claim it and return it."""
        (job,) = self.enqueue(new(**options))
        return next(claimed for claimed in self.claim(1000) if claimed.id == job.id)

    def get(self, job: Job | int) -> Job:
        found = self.store.reader.get(job if isinstance(job, int) else job.id)
        assert found is not None
        return found

    def complete(self, job: Job, result: str | None = None) -> list[int]:
        return self.store.completer.complete([Completed(job, self.clock.now(), self.clock.now(), result)])

    def fail(self, job: Job, *, retry_in: float | None = None, error: str = "ValueError", message: str = "no") -> list[int]:
        now = self.clock.now()
        retry_at = None if retry_in is None else now + retry_in
        return self.store.completer.fail([Failed(job, now, now, retry_at, error, message, "Traceback …")])

    def snooze(self, job: Job, seconds: float = 60.0) -> list[int]:
        now = self.clock.now()
        return self.store.completer.snooze([Snoozed(job, now, now, now + seconds)])

    def release(self, job: Job) -> list[int]:
        return self.store.completer.release([Released(job, self.clock.now(), self.clock.now())])

    def stop(self, job: Job) -> list[int]:
        return self.store.completer.cancel_running([Cancelled(job, self.clock.now(), self.clock.now())])

    def crash(self, *jobs: Job) -> None:
        """Let the leases of these running jobs expire, and rescue them."""
        self.clock.advance(31)
        assert set(self.store.transitions.rescue()) >= {job.id for job in jobs}

    def in_state(self, state: State, **options: Any) -> Job:
        """Return a job in this state, reached through the methods of the store."""
        if state is State.SCHEDULED:
            return self.enqueue(new(scheduled_at=self.clock.now() + 3600, **options))[0]
        if state is State.PENDING:
            return self.enqueue(new(**options))[0]
        if state is State.WAITING:
            (parent,) = self.enqueue(new(kind=PARENT))
            return self.enqueue(new(after=(parent.id,), **options))[0]
        job = self.running(**options)
        if state is State.RETRYING:
            self.fail(job, retry_in=3600)
        elif state is State.COMPLETED:
            self.complete(job)
        elif state is State.FAILED:
            self.fail(job)
        elif state is State.CANCELLED:
            self.stop(job)
        return self.get(job)

    @property
    def address(self) -> str:
        """Return the path or URL by which errors name the database."""
        if "postgres" in type(self.store).__module__:
            from tests.core import postgres

            return postgres.database_at(self.path)
        return str(self.path)

    # -- direct access to the database ---------------------------------------------------------------

    def rows(self, query: str, *bound: Any) -> list[tuple[Any, ...]]:
        if "postgres" in type(self.store).__module__:
            from tests.core import postgres

            return postgres.rows(self.path, query, bound)
        connection = apsw.Connection(str(self.path))
        try:
            return connection.execute(query, bound).fetchall()
        finally:
            connection.close()

    def change(self, statement: str, *bound: Any) -> None:
        self.rows(statement, *bound)

    def pass_ids(self, last: int) -> None:
        """Mark all ids up to this one as used."""
        if "postgres" in type(self.store).__module__:
            self.rows("SELECT setval('jobdeck_job_ids', ?)", last)
        else:
            self.change("UPDATE jobdeck_ids SET last = ?", last)

    def check_counters(self) -> None:
        """Assert that the counters match the rows."""
        counted = {
            row[:3]: row[3] for row in self.rows("SELECT queue, kind, state, count(*) FROM jobdeck_jobs GROUP BY 1, 2, 3")
        }
        kept = {row[:3]: row[3] for row in self.rows("SELECT queue, kind, state, n FROM jobdeck_counts WHERE n <> 0")}
        assert kept == counted

    def counts(self) -> dict[State, int]:
        """Return the number of jobs by state, from the overview."""
        return {
            state: n for state, n in Counter(self.store.queries.overview(seconds=60, slices=6, lease=30).counts).items() if n
        }


def steps_of(act: Callable[[], object]) -> int:
    """Count the steps of SQLite's virtual machine, in a thread that opens its own connection."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 10
        return False

    def watch(connection: apsw.Connection) -> None:
        connection.set_progress_handler(count, 10)

    apsw.connection_hooks.append(watch)
    try:
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    finally:
        apsw.connection_hooks.remove(watch)
    return steps


def open_sqlite(path: Path, clock: FakeClock) -> Store:
    from jobdeck.store.sqlite import SqliteStore

    # Durability has no effect on the behavior under test, and syncs are slow.
    return SqliteStore(path, clock=clock, random=Random(7), synchronous="OFF")


def open_postgres(path: Path, clock: FakeClock) -> Store:
    from tests.core.postgres import client_address

    from jobdeck.store.postgres import PostgresStore

    return PostgresStore(client_address(path), clock=clock, random=Random(7))


STORES: dict[str, Callable[[Path, FakeClock], Store]] = {"sqlite": open_sqlite, "postgres": open_postgres}
"""Every store that the conformance suite runs on. A path identifies each queue, even on a server."""


def _database_at(path: Path) -> str:
    from tests.core.postgres import client_address

    return client_address(path)


ADDRESSES: dict[str, Callable[[Path], str]] = {"sqlite": str, "postgres": _database_at}
"""The database URL that belongs to a path."""


def _release_database(path: Path) -> None:
    from tests.core.postgres import release_database

    release_database(path)


CLOSES: dict[str, Callable[[Path], None]] = {"sqlite": lambda path: None, "postgres": _release_database}
"""The cleanup of each store after a test."""
EVERY_STORE = [pytest.param(name, marks=[] if name == "sqlite" else [getattr(pytest.mark, name)]) for name in STORES]
"""The stores as test parameters. Those that need a server have a marker and are run separately."""


def registry(**handlers: Callable[..., Any]) -> Registry:
    """Return a registry of these kinds."""
    return Registry([Entry(name, handler) for name, handler in handlers.items()])


def open_queue(path: Path, known: Registry | None = None, **settings: Any) -> Queue:
    """Open a queue with settings for tests: no fsync, and a short shutdown grace."""
    chosen = {"synchronous": "OFF", "shutdown_grace": 5.0, **settings}
    return Queue(path, registry=known or Registry(), settings=Settings(**chosen), random=Random(7))
