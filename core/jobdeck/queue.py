"""The queue, as a person or a program uses it.

What is rare is imported when it is first used, so that a program that only enqueues starts fast.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from . import fork
from .clock import Clock, SystemClock, poll
from .kind_catalog import KindCatalog
from .kinds.definition import Handler
from .kinds.job_options import (
    JobOptions,
    build_checked_job,
    build_new_job,
    check_arguments,
    check_name,
    check_priority,
    kind_with_name,
    with_name,
)
from .kinds.registry import REGISTRY, Registry
from .model.address import DatabaseAddress
from .model.errors import InvalidOption, Irreversible, JobNotFound, NotRunning, WrongState
from .model.jobs import (
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
from .model.journal import Actor, check_actor, current_actor
from .model.kind_names import SHELL
from .model.states import FINAL, Operation, State, allows
from .settings import Settings
from .store.base import Store
from .store.connect import open_store
from .tracing.tracer import send

if TYPE_CHECKING:
    from .batches import Batches
    from .execution.stack_trace import Stack
    from .history import History
    from .journal import Journal
    from .kinds.edit_options import EditOptions
    from .limits import QueueLimits
    from .maintenance.service import Maintenance
    from .model.diagnosis import Explanation
    from .model.filter import Condition
    from .model.forecast import QueueStats
    from .model.overview import Overview, QueueInfo
    from .registered_workers import RegisteredWorkers
    from .scheduling.schedules import Schedules
    from .store.async_enqueuer import AsyncEnqueuer

JobRequest = tuple[str, Mapping[str, Any], JobOptions]
"""The kind, arguments and options of a job."""


class Queue:
    """An open queue. Use it from any thread; close it, or use it as a context manager.

    Example:
        >>> with Queue("jobs.db") as queue:
        ...     queue.enqueue("shell", {"command": ["echo", "hello"]}).state
        <State.PENDING: 'pending'>
    """

    is_remote = False
    """`True` if a server carries out the operations, and the database is out of reach."""

    def __init__(
        self,
        database: str | Path | None = None,
        *,
        settings: Settings | None = None,
        registry: Registry | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        adopt: bool = False,
        create: bool = True,
        readonly: bool = False,
        actor: str | None = None,
    ) -> None:
        """Open the queue; create the database if it does not exist.

        Args:
            database: a path, `sqlite:///path`, `postgresql://user:password@host/database`, or libpq's `host=… dbname=…`;
                JOBDECK_DATABASE if `None`.
            settings: read from the environment and `.env` if `None`.
            registry: the kinds that may be enqueued; those of `@job` if `None`.
            clock: the source of the time; the machine's clock if `None`.
            random: the source of leases and jitter.
            adopt: put the queue into an SQLite file that holds another program's tables.
            create: create the database's tables if they do not exist; otherwise raise `StoreRefused`.
            readonly: only read, and change nothing: neither the file, which may be one that this user cannot write to, nor its
                folder. Everything else raises `StoreRefused`. See `notice`.
            actor: the actor in the journal; the user's name on this machine if `None`.

        Raises:
            StoreRefused: the database cannot be used; nothing in it was changed.
            InvalidSetting: an environment variable cannot be used.
            InvalidOption: `actor` is not a valid name.
        """
        self.settings = settings or Settings.load()
        self.clock: Clock = clock or SystemClock()
        self.random = random or Random()
        fork.register(self)
        self.registry = REGISTRY if registry is None else registry
        if actor is not None:
            self.actor = check_actor(actor)
        address = DatabaseAddress.parse(str(database or self.settings.database))
        self.where = address.shown
        """The address of the database, without the password."""
        self.database_type = "sqlite" if address.file is not None else "postgresql"
        """The type of the database: `sqlite` or `postgresql`."""
        self._address = address.text
        self.store: Store = open_store(
            address, self.settings, self.clock, self.random, adopt=adopt, create=create, readonly=readonly
        )

    @cached_property
    def actor(self) -> str:
        """The actor of operations that do not name one."""
        return current_actor()

    @property
    def notice(self) -> str | None:
        """Return what a reader must know of a queue that is open for reading only, in one sentence; `None` if there is nothing.

        This is what cannot be seen (the changes in a log that this user may not read), and damaged rows, which are read as
        `jobdeck doctor --repair` would repair them.
        """
        return self.store.notice

    def after_fork(self) -> None:
        """Give a forked process other leases than its parent. The queue can be used there; its connections are new ones."""
        self.random.seed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections of all threads, after the jobs of `aenqueue` that are being written."""
        if "_async_enqueuer" in vars(self):
            self._async_enqueuer.close()
        self.store.close()

    def transaction(self) -> AbstractContextManager[Any]:
        """Open a transaction: operations inside it, by this thread on this queue, are atomic.

        On SQLite it gives the `apsw.Connection`, for statements of your own on tables in the same file (see `adopt`).
        """
        return self.store.transaction()

    def recreate(self) -> None:
        """Create a new, empty database if the open one was deleted, moved or emptied; until then calls raise `StoreMissing`."""
        self.store.recreate()

    def lock_wait_started(self) -> float | None:
        """Return since when, on the monotonic clock, a call of this process has been waiting for another program's lock.

        `None` if no call waits. Does not read the database, so it returns immediately. It concerns SQLite's lock on the whole
        file; on a server it is always `None`.
        """
        return self.store.lock_wait_started()

    # -- enqueue ----------------------------------------------------------------------------------

    def new_job(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]) -> NewJob:
        """Check a job without enqueueing it, for `enqueue_many` and `batches.enqueue`.

        Args:
            kind: a registered kind, or the handler itself; `shell:NAME` is a command with a name.
            args: the handler's arguments by name.
            options: see `JobOptions`: name, queue, priority, delay, at, max_attempts, timeout, tags, backoff, expires,
                expires_at, unique, unique_until, on_conflict, after, if_parent_fails, traceparent, tracestate.

        Raises:
            UnknownKind: the kind is not in the registry.
            InvalidArguments: an argument does not fit the handler's signature, or would not reach it unchanged.
            ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
            InvalidOption: an option is out of range.
        """
        return build_new_job(self.kinds.find(kind), args or {}, with_name(kind, options), self.settings, self.clock)

    def new_jobs(self, requests: Iterable[JobRequest]) -> Sequence[NewJob]:
        """Check several jobs without enqueueing them; see `new_job`, whose arguments each request holds."""
        return [self.new_job(kind, args, **options) for kind, args, options in requests]

    def enqueue(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]) -> Job:
        """Enqueue a job. It is durable when this returns.

        Takes the arguments of `new_job`, and raises as it does. Threads that enqueue at the same time share a commit.

        Returns:
            The job; if its unique key is taken and it does not ask to be refused, the job that holds the key.

        Raises:
            UniqueKeyConflict: the unique key is taken, and `on_conflict` is `refuse`.
            JobNotFound: a job that it must run after does not exist.
        """
        return send(self.store.enqueuer.enqueue, [self.new_job(kind, args, **options)])[0]

    def enqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Enqueue checked jobs, in their order, in one commit: all or none. Raises as `enqueue` does."""
        return send(self.store.enqueuer.enqueue, list(jobs))

    async def aenqueue(
        self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]
    ) -> Job:
        """Enqueue a job from a coroutine, without blocking its event loop. It is durable when this returns.

        Like `enqueue`. Coroutines that enqueue at the same time share a commit, of a thread that the queue starts. If the
        coroutine is cancelled while it waits, the job may have been enqueued.

        Needs `asyncio`. Inside an open transaction of the loop's thread the job is a part of it, and is written at once.
        """
        return (await self.aenqueue_many([self.new_job(kind, args, **options)]))[0]

    async def aenqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Enqueue checked jobs from a coroutine, as `aenqueue` does: in their order, in one commit, all or none."""
        return await self._async_enqueuer.enqueue(list(jobs))

    @cached_property
    def _async_enqueuer(self) -> AsyncEnqueuer:
        from .store.async_enqueuer import AsyncEnqueuer

        return AsyncEnqueuer(self.store)

    def enqueue_new(self, jobs: Iterable[NewJob]) -> Sequence[Enqueued]:
        """Enqueue checked jobs as `enqueue_many` does, and return with each whether it is a new one."""
        drafts = list(jobs)
        if not any(draft.unique_key for draft in drafts):  # only a unique key can make an older job the result
            return [Enqueued(job) for job in self.enqueue_many(drafts)]
        with self.transaction():
            newest = self.list(limit=1)
            made = self.enqueue_many(drafts)
        last = newest[0].id if newest else 0  # ids are never reused, so larger ones are new
        known = set[int]()
        found = []
        for job in made:
            found.append(Enqueued(job, new=job.id > last and job.id not in known))
            known.add(job.id)
        return found

    def enqueue_bulk(self, kind: str | Handler, args: Iterable[Mapping[str, Any]], /, **options: Unpack[JobOptions]) -> range:
        """Enqueue one job for each of `args`, all with the same options, in one commit, and return their ids.

        The fastest way to enqueue many jobs of a kind. The arguments of each are checked; all are enqueued, or none.

        Raises:
            InvalidOption: an option cannot apply to many jobs: `unique`, `after`.
        """
        entry = self.kinds.find(kind)
        options = with_name(kind, options)
        checked: list[str] = []
        kinds: list[str] = []
        for each in args:
            checked.append(check_arguments(entry, each, self.settings))
            if not kinds or entry.kind == SHELL:
                kinds.append(kind_with_name(entry, each, options))
        for name in ("unique", "after"):
            if options.get(name):
                raise InvalidOption(name, "applies to one job only; use new_job and enqueue_many")
        if not checked:
            return range(0)
        pattern = build_checked_job(entry, kinds[0], checked[0], options, self.settings, self.clock)
        if len({*kinds}) == 1:
            return send(lambda jobs: self.store.enqueuer.enqueue_bulk(jobs[0], checked), [pattern], len(checked))
        made = [replace(pattern, kind=kind, args_json=text) for kind, text in zip(kinds, checked, strict=True)]
        jobs = send(self.store.enqueuer.enqueue, made, len(made))
        return range(jobs[0].id, jobs[-1].id + 1)

    def enqueue_in(
        self, connection: Any, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[JobOptions]
    ) -> Job:
        """Enqueue a job inside the caller's own transaction: it exists exactly if the caller's other rows do.

        Args:
            connection: the caller's `apsw.Connection`, open on this queue's database file (see `adopt`), or the one that
                `transaction` gives; a connection of Python's `sqlite3` is refused, because the locks of two SQLite libraries do
                not hold against each other inside one process. For a queue on a server a `psycopg.Connection` to the same
                database, whose search path leads to the queue's schema. The caller begins, commits and rolls back. Workers poll
                once a second; call `wake` after the commit to start the job immediately.
            kind: as in `new_job`.
            args: as in `new_job`.
            options: as in `new_job`.

        Raises:
            InvalidOption: the connection is of another library, to another database, or has no open transaction.
        """
        new = self.new_job(kind, args, **options)
        return send(lambda jobs: self.store.enqueuer.enqueue_in(connection, jobs), [new])[0]

    def wake(self) -> None:
        """Wake the workers of all processes to claim jobs now."""
        self.store.notifier.notify()

    # -- objects for parts of a queue -----------------------------------------------------------------

    @cached_property
    def batches(self) -> Batches:
        """Jobs with one outcome: `enqueue`, `get`, `wait`."""
        from .batches import Batches

        return Batches(self.store, self.clock)

    @cached_property
    def kinds(self) -> KindCatalog:
        """The kinds that may be enqueued: `list`, `get`, `argument_schema`."""
        return KindCatalog(self.registry)

    @cached_property
    def workers(self) -> RegisteredWorkers:
        """The worker processes: `list`, `drain`."""
        from .registered_workers import RegisteredWorkers

        return RegisteredWorkers(self.store, self.settings.lease)

    @cached_property
    def limits(self) -> QueueLimits:
        """The limits of queues: `get`, `set`."""
        from .limits import QueueLimits

        return QueueLimits(self.store, self._actor)

    @cached_property
    def schedules(self) -> Schedules:
        """Periodic jobs: `list`, `get`, `add`, `edit`, `pause`, `resume`, `run`, `delete`, `preview`, `explain`."""
        from .scheduling.schedules import Schedules

        return Schedules(self.store, self.clock, self.new_job, self._actor)

    @cached_property
    def journal(self) -> Journal:
        """The operations of people and programs: `entries`, `of_job`, `undo`, `redo`."""
        from .journal import Journal

        return Journal(self.store, self._actor)

    @cached_property
    def history(self) -> History:
        """The past: `metrics`, `errors`, `runs`, `events`."""
        from .history import History

        return History(self.store, self.clock)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Prunes, backs up, checks and repairs."""
        from .maintenance.service import Maintenance

        return Maintenance(self._address, self.store, self.settings, self.clock)

    # -- inspect ----------------------------------------------------------------------------------

    def get(self, job_id: int) -> Job:
        """Return the job. Raises `JobNotFound`."""
        job = self.store.reader.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def get_many(self, ids: Sequence[int]) -> Sequence[Job]:
        """Return the jobs that exist, in the order of `ids`."""
        return self.store.reader.get_many(ids)

    def list(
        self,
        filter: str | Condition = "",
        *,
        limit: int = 50,
        sort: str = "id",
        descending: bool = True,
        after: PageEnd | None = None,
    ) -> Sequence[Job]:
        """Return the first `limit` jobs that match the filter, or the next ones after the end of another page.

        Args:
            filter: a filter (see `jobdeck.model.filter`), or a condition parsed from it.
            limit: the number of jobs at most.
            sort: id, state, kind, queue, priority, attempt, age, took, error, due, started, finished, wait, worker, tags,
                unique, batch, progress or args. Jobs without the value come last.
            descending: largest first.
            after: `PageEnd.of` the last job of the page before. Costs no more than the first page, and skips no job because
                others have come or gone. Only for sorts whose values do not change by themselves: id, state, kind, queue,
                priority, attempt, age, due, started and finished.

        Raises:
            InvalidFilter: the filter cannot be parsed.
            InvalidOption: `sort` is not one of these.
        """
        return self.store.queries.list(_condition(filter), limit=limit, sort=sort, descending=descending, after=after)

    def ids(self, filter: str | Condition = "", *, sort: str = "id", descending: bool = True) -> array[int]:
        """Return the ids of all jobs that match the filter, in order. Raises `InvalidFilter`, `InvalidOption`."""
        return self.store.queries.list_ids(_condition(filter), sort=sort, descending=descending)

    def count(self, filter: str | Condition = "") -> int:
        """Return the number of jobs that match the filter. Raises `InvalidFilter`."""
        return self.store.queries.count(_condition(filter))

    def count_states(self, filter: str | Condition = "") -> Mapping[State, int]:
        """Return the number of matching jobs by state, without states that have none. Raises `InvalidFilter`."""
        return self.store.queries.count_states(_condition(filter))

    def version(self) -> object:
        """Return a value that differs as soon as any process has changed the database; `None` if that is unknown.

        Compare it only with earlier values on the same thread.
        """
        return self.store.version()

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a job, oldest first, the running one last. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.reader.attempts(job_id)

    def logs(
        self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000, oldest: bool = False
    ) -> Sequence[LogLine]:
        """Return the newest `limit` log lines of a job with an id above `after`, oldest first. Raises `JobNotFound`.

        With `oldest` return the oldest `limit` of them, to read a log on without a gap.
        """
        self.get(job_id)
        return self.store.reader.logs(job_id, attempt=attempt, after=after, limit=limit, oldest=oldest)

    def dependencies(self, job_id: int) -> Dependencies:
        """Return the jobs that it came after, those it still waits for, and those that came after it. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.reader.dependencies(job_id)

    def stack(self, job_id: int, *, timeout: float = 0.5) -> Stack:
        """Return where the code of a running job is now, from its handler down.

        Asks the process that runs it, and waits up to `timeout` seconds. On SQLite that is a process of the same user on this
        machine; on PostgreSQL it may be on any machine. If no process replies, or the code has no Python stack, the record says
        so. Raises `JobNotFound`, `NotRunning`.
        """
        from .execution.stack_trace import read_stack

        job = self.get(job_id)
        if job.state is not State.RUNNING or job.worker is None:
            raise NotRunning(job_id, job.state)
        notifier = self.store.notifier
        at = self.clock.now()
        return read_stack(job_id, job.worker, at, notifier.request, timeout, across_machines=notifier.across_machines)

    def queues(self) -> Sequence[QueueInfo]:
        """Return every queue that has jobs or limits, or is paused, by name."""
        return self.store.queries.queues()

    def queue_stats(self, *, seconds: float = 300.0, slices: int = 30) -> Sequence[QueueStats]:
        """Return the state of every queue: waits, kinds, workers, the last minutes. `forecast` estimates when it is empty."""
        return self.store.diagnostics.queue_stats(seconds=seconds, slices=slices, lease=self.settings.lease)

    def overview(self, *, seconds: float = 600.0, slices: int = 60) -> Overview:
        """Return a consistent overview of the queue, with metrics over the last `seconds` in about `slices` slices."""
        return self.store.queries.overview(seconds=seconds, slices=slices, lease=self.settings.lease)

    def explain(self, job_id: int) -> Explanation:
        """Return why the job does not run: each condition of the claim, and when the job may start. Raises `JobNotFound`."""
        from .model.diagnosis import explain

        conditions = self.store.diagnostics.claim_conditions(job_id, self.settings.lease, self.settings.ageing)
        if conditions is None:
            raise JobNotFound(job_id)
        kind = conditions.job.kind
        limit = self.registry.get(kind).concurrency if kind in self.registry else None
        return explain(conditions, kind_limit=limit)

    def wait(self, job_id: int, *, timeout: float | None = None, every: float = 0.05) -> Job:
        """Wait until the job is final, and return it; after `timeout` seconds, return it as it is.

        Polls at intervals of `every` seconds. Raises `JobNotFound`.
        """
        return poll(lambda: self.get(job_id), lambda job: job.state in FINAL, self.clock, timeout=timeout, every=every)

    # -- change -----------------------------------------------------------------------------------
    #
    # A method for one id returns the changed job or raises; one for many changes the jobs that it can, and returns why it
    # refused the others. Each operation has a journal entry, and can be undone; `actor` is its actor, by default the queue's.
    # An operation in steps passes the `OperationResult.entry_id` of its first step as `entry_id`, and is undone as one.

    def cancel(self, job_id: int, *, actor: str | None = None) -> Job:
        """Cancel a queued job immediately; ask a running one to stop. Raises `JobNotFound`, `WrongState`."""
        return self._changed(job_id, self.cancel_many([job_id], actor=actor))

    def cancel_many(self, ids: Iterable[int], *, actor: str | None = None, entry_id: int | None = None) -> OperationResult:
        """Cancel several jobs."""
        return self.change_many(Operation.CANCEL, ids, actor=actor, entry_id=entry_id)

    def retry(self, job_id: int, *, actor: str | None = None) -> Job:
        """Run a final job again, or a scheduled or retrying one now. Raises `JobNotFound`, `WrongState`, `UniqueKeyTaken`."""
        return self._changed(job_id, self.retry_many([job_id], actor=actor))

    def retry_many(self, ids: Iterable[int], *, actor: str | None = None, entry_id: int | None = None) -> OperationResult:
        """Retry several jobs."""
        return self.change_many(Operation.RETRY, ids, actor=actor, entry_id=entry_id)

    def reprioritize(self, job_id: int, priority: int, *, relative: bool = False, actor: str | None = None) -> Job:
        """Set a queued job's priority, or add to it if `relative`. Raises `JobNotFound`, `WrongState`, `InvalidOption`."""
        return self._changed(job_id, self.reprioritize_many([job_id], priority, relative=relative, actor=actor))

    def reprioritize_many(
        self,
        ids: Iterable[int],
        priority: int,
        *,
        relative: bool = False,
        actor: str | None = None,
        entry_id: int | None = None,
    ) -> OperationResult:
        """Set the priority of several queued jobs, or add to it if `relative`. Raises `InvalidOption`."""
        return self.change_many(
            Operation.REPRIORITIZE, ids, priority=priority, relative=relative, actor=actor, entry_id=entry_id
        )

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
        """Cancel, retry, delete or reprioritize several jobs.

        Args:
            operation: one of these four.
            ids: the jobs.
            priority: the priority to set, or to add if `relative`.
            relative: whether `priority` is added to that of each job.
            reversible: change no job if an undo could not restore all of them, such as running ones that are asked to stop.
            actor: the actor.
            entry_id: the journal entry that it continues.

        Raises:
            InvalidOption: the priority is out of range, or the operation is another one.
            Irreversible: `reversible` is true, and an undo could not restore all.
        """
        by, priority = self._actor(actor, entry_id), check_priority(priority)
        with self.transaction() if reversible else nullcontext():
            changes = self.store.jobs.change(operation, list(ids), priority=priority, relative=relative, by=by)
            if reversible and changes.undoable < len(changes.done):
                raise Irreversible(len(changes.done) - changes.undoable)
        return changes

    def edit(
        self, job_id: int, args: Mapping[str, Any] | None = None, *, actor: str | None = None, **changes: Unpack[EditOptions]
    ) -> Job:
        """Change the arguments, queue, priority, time, attempts or tags of a queued job. Omitted options are unchanged.

        Args:
            job_id: a job that is scheduled, waiting, pending or retrying.
            args: all of its new arguments by name, checked as by `enqueue`; unchanged if `None`.
            actor: the actor.
            changes: see `EditOptions`: name, queue, priority, delay, at, max_attempts, tags.

        Raises:
            JobNotFound: the job does not exist.
            WrongState: it is running, or final.
            UnknownKind: arguments are given, and the job's kind is not in the registry.
            InvalidArguments, ArgumentsTooLarge: as for `new_job`.
            InvalidOption: an option is out of range, or no change is given.
        """
        change = self.check_edit(job_id, args, **changes)
        if change == JobEdit():
            raise InvalidOption("edit", "changes nothing: give new arguments or options")
        return self._changed(job_id, self.store.jobs.edit(job_id, change, by=self._actor(actor)))

    def check_edit(self, job_id: int, args: Mapping[str, Any] | None = None, **changes: Unpack[EditOptions]) -> JobEdit:
        """Check a change of a queued job without making it. Raises as `edit` does."""
        from .kinds.edit_options import check_edit

        job = self.get(job_id)
        if not allows(Operation.EDIT, job.state):
            raise WrongState(job_id, Operation.EDIT, job.state)
        named = args is not None or changes.get("name") is not None
        return check_edit(job, self.kinds.find(job.kind) if named else None, args, changes, self.settings, self.clock)

    def delete(self, job_id: int, *, actor: str | None = None) -> None:
        """Delete a job that is not running, with its attempts and log. Raises `JobNotFound`, `WrongState`."""
        for refusal in self.delete_many([job_id], actor=actor).refused.values():
            raise refusal

    def delete_many(self, ids: Iterable[int], *, actor: str | None = None, entry_id: int | None = None) -> OperationResult:
        """Delete several jobs."""
        return self.change_many(Operation.DELETE, ids, actor=actor, entry_id=entry_id)

    def pause(self, queue: str, *, actor: str | None = None) -> bool:
        """Start no more jobs from the queue; running jobs continue. Returns `False` if it was already paused."""
        return self.store.queues.pause(check_name(queue), by=self._actor(actor))

    def resume(self, queue: str, *, actor: str | None = None) -> bool:
        """Start jobs from the queue again. Returns `False` if it was not paused."""
        return self.store.queues.resume(check_name(queue), by=self._actor(actor))

    def pause_all(self, *, actor: str | None = None) -> Sequence[str]:
        """Pause every queue that exists now, as one operation; return those that were not paused. A later queue is not."""
        return self.store.queues.pause_all(by=self._actor(actor))

    def resume_all(self, *, actor: str | None = None) -> Sequence[str]:
        """Resume every paused queue, as one operation, and return them. An undo restores each pause with its start."""
        return self.store.queues.resume_all(by=self._actor(actor))

    # ---------------------------------------------------------------------------------------------

    def _actor(self, actor: str | None, entry_id: int | None = None) -> Actor:
        return Actor(self.actor if actor is None else check_actor(actor), entry_id)

    def _changed(self, job_id: int, changes: OperationResult) -> Job:
        for refusal in changes.refused.values():
            raise refusal
        return self.get(job_id)


def _condition(filter: str | Condition) -> Condition:
    from .model.filter import EVERY_JOB, parse_filter

    if isinstance(filter, str):
        return parse_filter(filter) if filter else EVERY_JOB
    return filter
