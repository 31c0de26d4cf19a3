"""What a person or a program asks of the queue."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from .clock import Clock, SystemClock
from .execution.stack_trace import TIMEOUT as STACK_TIMEOUT
from .execution.stack_trace import Stack, read_stack
from .kinds.edit_options import Edits, check_edit
from .kinds.job_options import Options, check_batch_name, check_name, check_priority, draft
from .kinds.registry import REGISTRY, SHELL, Entry, Handler, Registry
from .maintenance.service import Care
from .model.diagnosis import Explanation, explain
from .model.errors import BatchNotFound, InvalidOption, JobNotFound, NotRunning, WrongState
from .model.events import MOST_EVENTS, MOST_RUNS, Event, Happening, Runs
from .model.filter import EVERY_JOB, Condition, parse
from .model.jobs import Attempt, Batch, Changes, Edit, Family, Job, Kind, Limits, LogLine, NewJob
from .model.journal import Act, By, Undoing, check_who, whoami
from .model.metrics import ErrorGroup, Grouping, Metrics
from .model.overview import Overview, QueueInfo, WorkerInfo
from .model.states import FINAL, Operation, State, allows
from .settings import Settings
from .store.base import SORTS, Store
from .store.connect import open_store, shown
from .store.journal import ACTS_READ
from .store.measures import FAILURES_READ

if TYPE_CHECKING:
    from .model.forecast import Backlog
    from .scheduling.schedules import Timetable

_DAYS = 31 * 86400.0
"""Seconds: the longest period of a rate."""

T = TypeVar("T")
Ids = int | Iterable[int]


class Queue:
    """A queue, opened. Use it from any thread; close it, or use it as a context manager.

    Example:
        >>> with Queue("jobs.db") as queue:
        ...     queue.enqueue("shell", {"command": ["echo", "hello"]}).state
        <State.PENDING: 'pending'>
    """

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
        who: str | None = None,
    ) -> None:
        """Open the queue; make the database if there is none.

        Args:
            database: a path, `sqlite:///path`, or `postgresql://user@host/database`; JOBDECK_DATABASE when `None`.
            settings: read from the environment and `.env` when `None`.
            registry: the kinds that may be enqueued; those of `@job` when `None`.
            clock: where the time is read; the machine's when `None`.
            random: where leases and jitter come from.
            adopt: put the queue into an SQLite file that holds tables of another program.
            create: make the database's tables where there are none; otherwise that is a `StoreRefused`.
            who: who acts, for the journal; the user's name at this machine's when `None`.

        Raises:
            StoreRefused: the database cannot be used; nothing in it was changed.
            InvalidSetting: an environment variable cannot be used.
            InvalidOption: `who` is no name.
        """
        self.settings = settings or Settings.load()
        self.clock: Clock = clock or SystemClock()
        self.random = random or Random()
        self.registry = REGISTRY if registry is None else registry
        self.who = whoami() if who is None else check_who(who)
        """Who acts, unless an act says otherwise."""
        address = str(database or self.settings.database)
        self.where = shown(address)
        """Where it lives, as people may see it: without the password of a server's address."""
        self.store: Store = open_store(address, self.settings, self.clock, self.random, adopt=adopt, create=create)
        self.care = Care(address, self.store, self.settings, self.clock)
        """Pruning, backups, checkups."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections of all threads."""
        self.store.close()

    def renew(self) -> None:
        """Make a new and empty database where the one that was open was deleted, moved away or emptied.

        Does nothing where there is one. Without this every call raises `StoreLost` until there is one again.
        """
        self.store.renew()

    def waiting_since(self) -> float | None:
        """Since when, on the monotonic clock, a call of this process has been waiting for another program's lock.

        `None` if none waits. Asks no database, and so returns at once. It is about SQLite's one lock on a whole file; on
        a server `None` always, since nobody there waits for a lock on everything.
        """
        return self.store.waiting_since()

    # -- enqueue ----------------------------------------------------------------------------------

    def draft(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]) -> NewJob:
        """Check a job without enqueueing it; `enqueue_many` takes what this returns.

        Args:
            kind: a registered kind, or the handler itself.
            args: the handler's arguments by name.
            options: see `Options`: queue, priority, delay, at, max_attempts, timeout, tags, backoff, expires, expires_at,
                unique, unique_until, on_conflict, after, if_parent_fails.

        Raises:
            UnknownKind: the kind is not in the registry.
            InvalidArguments: an argument does not fit the handler's signature.
            ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
            InvalidOption: an option is out of range.
        """
        return draft(self._entry(kind), args or {}, options, self.settings, self.clock)

    def enqueue(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]) -> Job:
        """Put a job into the queue. It is durable when this returns.

        Takes the arguments of `draft`, and raises what it raises. Threads that enqueue at the same time share a commit.

        Returns:
            The job; where its unique key is taken and it does not ask to be refused, the job that holds the key.

        Raises:
            NotUnique: the unique key is taken, and `on_conflict` is `refuse`.
            JobNotFound: a job that it shall come after does not exist.
        """
        return self.store.enqueue_jobs([self.draft(kind, args, **options)])[0]

    def enqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Put drafted jobs into the queue, in their order, in one commit: all or none. Raises as `enqueue` does."""
        return self.store.enqueue_jobs(list(jobs))

    def enqueue_each(self, kind: str | Handler, args: Iterable[Mapping[str, Any]], /, **options: Unpack[Options]) -> range:
        """Put one job into the queue for each of `args`, all with the same options, in one commit: all or none.

        The fastest way in, for those who have many of a kind. The arguments of each are checked.

        Returns:
            The ids.

        Raises:
            InvalidOption: an option cannot hold for many jobs: `unique`, `after`.
        """
        entry = self._entry(kind)
        limit = self.settings.max_args_bytes
        checked = [entry.check(each, limit) for each in args]
        for name in ("unique", "after"):
            if options.get(name):
                raise InvalidOption(name, "is of one job only; draft each and use enqueue_many")
        if not checked:
            return range(0)
        pattern = draft(entry, json.loads(checked[0]), options, self.settings, self.clock)
        return self.store.enqueue_alike(pattern, checked)

    def enqueue_batch(self, jobs: Iterable[NewJob], *, name: str = "") -> Batch:
        """Put drafted jobs into the queue in one commit, as a batch with one outcome to wait for.

        Of those whose unique key is taken, the jobs that hold the keys do not become a part of it.

        Raises:
            InvalidOption: the name is not of printable characters, or has more than 200.
            NotUnique: as `enqueue` does; so `JobNotFound`.
        """
        return self.store.enqueue_batch(check_batch_name(name), list(jobs))

    def enqueue_in(
        self, connection: Any, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Unpack[Options]
    ) -> Job:
        """Enqueue inside the caller's own transaction: the job exists exactly when the caller's other rows do.

        Args:
            connection: an `sqlite3.Connection` or `apsw.Connection` of the caller's, open on this queue's database file
                (see `adopt`); for a queue on a server a `psycopg.Connection` to the same database, whose search path leads
                to the queue's schema. Begin, commit and roll back are the caller's. Workers look once a second; call `wake`
                after the commit for them to look at once.
            kind: as in `draft`.
            args: as in `draft`.
            options: as in `draft`.

        Raises:
            InvalidOption: the connection is to another database, or has no transaction open.
        """
        return self.store.enqueue_through(connection, [self.draft(kind, args, **options)])[0]

    def wake(self) -> None:
        """Tell the workers of all processes to look for jobs now."""
        self.store.wake()

    @cached_property
    def schedules(self) -> Timetable:
        """Periodic jobs: `list`, `get`, `add`, `edit`, `pause`, `resume`, `run`, `delete`, `preview`, `explain`."""
        from .scheduling.schedules import Timetable  # imported late: most commands have nothing to do with them

        return Timetable(self.store, self.clock, self.draft, self._by)

    # -- look -------------------------------------------------------------------------------------

    def get(self, job_id: int) -> Job:
        """The job.

        Raises:
            JobNotFound: there is none with this id.
        """
        job = self.store.get_job(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def get_many(self, ids: Sequence[int]) -> Sequence[Job]:
        """Those of the jobs that exist, in the order of `ids`."""
        return self.store.get_jobs(ids)

    def list(
        self, filter: str | Condition = "", *, limit: int = 50, sort: str = "id", descending: bool = True
    ) -> Sequence[Job]:
        """The first `limit` jobs that match the filter.

        Args:
            filter: in the filter language (see `jobdeck.query`), or a condition made from it.
            limit: how many at most.
            sort: id, state, kind, queue, priority, attempt, age, took, error, due, started, finished, wait, worker, tags,
                unique, batch, progress or args. Jobs without the value come last.
            descending: largest first.

        Raises:
            InvalidFilter: the filter cannot be read.
            InvalidOption: there is no such way to sort.
        """
        _check_sort(sort)
        return self.store.list_jobs(_condition(filter), limit=limit, sort=sort, descending=descending)

    def ids(self, filter: str | Condition = "", *, sort: str = "id", descending: bool = True) -> array[int]:
        """The ids of all jobs that match the filter, in order. Raises `InvalidFilter`, `InvalidOption`."""
        _check_sort(sort)
        return self.store.list_ids(_condition(filter), sort=sort, descending=descending)

    def version(self) -> object:
        """What is another one as soon as any process has changed the database; `None` where that cannot be told.

        To be compared only with what the same thread was told before.
        """
        return self.store.version()

    def count(self, filter: str | Condition = "") -> int:
        """How many jobs match the filter. Raises `InvalidFilter`."""
        return self.store.count_jobs(_condition(filter))

    def count_states(self, filter: str | Condition = "") -> Mapping[State, int]:
        """How many jobs in each state match the filter; states without any are left out. Raises `InvalidFilter`."""
        return self.store.count_states(_condition(filter))

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """The attempts of a job, oldest first, the running one last. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.list_attempts(job_id)

    def stack(self, job_id: int, *, timeout: float = STACK_TIMEOUT) -> Stack:
        """Where the code of a running job is now, from its handler down: asked of the process that runs it.

        That may be any process on this machine whose worker has this queue open. Where nobody can be asked, and where the
        code has no Python stack, the record says so in words.

        Args:
            job_id: the job.
            timeout: seconds that the process gets to answer.

        Raises:
            JobNotFound: there is none with this id.
            NotRunning: it does not run.
        """
        job = self.get(job_id)
        if job.state is not State.RUNNING or job.worker is None:
            raise NotRunning(job_id, job.state)
        return read_stack(job_id, job.worker, self.clock.now(), self.store.ask, timeout)

    def family(self, job_id: int) -> Family:
        """The jobs that it came after, those that it still waits for, and those that came after it. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.get_family(job_id)

    def logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> Sequence[LogLine]:
        """The newest `limit` log lines of a job with an id above `after`, oldest first. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.read_logs(job_id, attempt=attempt, after=after, limit=limit)

    def batch(self, batch: int) -> Batch:
        """The batch as it is now. Raises `BatchNotFound`."""
        found = self.store.get_batch(batch)
        if found is None:
            raise BatchNotFound(batch)
        return found

    def wait_batch(self, batch: int, *, timeout: float | None = None, every: float = 0.05) -> Batch:
        """Wait until every job of the batch is final, as `wait` does for one. Raises `BatchNotFound`."""
        return self._wait(lambda: self.batch(batch), lambda found: found.finished, timeout, every)

    def queues(self) -> Sequence[QueueInfo]:
        """Every queue that has jobs or limits, or is paused, by name."""
        return self.store.list_queues()

    def backlogs(self, *, seconds: float = 300.0, slots: int = 30) -> Sequence[Backlog]:
        """Every queue as it stands: waits, kinds, who serves it, its last minutes. `forecast` says when it will be empty."""
        return self.store.insight.backlogs(seconds=seconds, slots=slots, lease=self.settings.lease)

    def workers(self) -> Sequence[WorkerInfo]:
        """The worker processes that have reported and not ended, oldest first."""
        return self.store.list_workers(self.settings.lease)

    def overview(self, *, seconds: float = 600.0, slots: int = 60) -> Overview:
        """One consistent look at everything, with metrics over the last `seconds` cut into about `slots` slices."""
        return self.store.overview(seconds=seconds, slots=slots, lease=self.settings.lease)

    def explain(self, job_id: int) -> Explanation:
        """Why the job does not run: every condition of the claim, checked on the live row, and when it may start.

        Raises:
            JobNotFound: there is none with this id.
        """
        situation = self.store.insight.situation(job_id, self.settings.lease, self.settings.ageing)
        if situation is None:
            raise JobNotFound(job_id)
        kind = situation.job.kind
        limit = self.registry.get(kind).concurrency if kind in self.registry else None
        return explain(situation, kind_limit=limit)

    def metrics(
        self,
        *,
        seconds: float = 600.0,
        slots: int = 60,
        queue: str | None = None,
        kind: str | None = None,
        by: str | None = None,
    ) -> Metrics:
        """What happened over the last `seconds`: throughput, failures, percentiles, depth; whole and in slices.

        Args:
            seconds: how far to look back, from 10 seconds to 90 days.
            slots: about how many slices; each is made of whole slots as they are kept, which grow with age
                (5 s in the last hour, a minute in the last 6, 10 minutes in the last 2 days, then an hour, then a day).
            queue: of this queue only.
            kind: of this kind only; depth is sampled by queue, and not told then.
            by: `queue` or `kind`: tell the totals of each, too.

        Raises:
            InvalidOption: an argument is out of range.
        """
        if not 10 <= seconds <= 90 * 86400:
            raise InvalidOption("range", "must be from 10 seconds to 90 days")
        if not 1 <= slots <= 10_000:
            raise InvalidOption("number of slots", "must be from 1 to 10,000")
        if by is not None and by not in list(Grouping):
            raise InvalidOption("grouping", f"must be {' or '.join(Grouping)}, not {by!r}")
        return self.store.measures.metrics(
            seconds=seconds, slots=slots, queue=queue, kind=kind, by=None if by is None else Grouping(by)
        )

    def errors(self, *, newest: int = FAILURES_READ) -> Sequence[ErrorGroup]:
        """The failed attempts, grouped by kind, error and the place that raised it; the largest group first.

        Args:
            newest: how many attempts are looked at.
        """
        return self.store.measures.errors(newest)

    def runs(self, since: float, until: float | None = None, *, limit: int = MOST_RUNS, slices: int = 100) -> Runs:
        """The runs that overlap a stretch of time, newest first, those that still run in front.

        Where more than about `limit` ended in it, a sample: of each slice of the time the newest. Of a run that ended after
        `until` it is seen that it overlaps if it was among the 2,000 that ended next.

        Args:
            since: where the time begins.
            until: where it ends; now when `None`.
            limit: how many are told at most, those that still run not counted.
            slices: into how many slices the time is cut where a sample is told.

        Raises:
            InvalidOption: an argument is out of range.
        """
        end = self.clock.now() if until is None else until
        if not since < end:
            raise InvalidOption("since", "must be before the end")
        if not 1 <= limit <= 100_000:
            raise InvalidOption("limit", "must be from 1 to 100,000")
        if not 1 <= slices <= 1_000:
            raise InvalidOption("number of slices", "must be from 1 to 1,000")
        return self.store.history.runs(since, end, limit=limit, slices=slices)

    def events(self, *, after: float | None = None, limit: int = 200, only: Collection[Happening] = ()) -> Sequence[Event]:
        """The newest events, oldest first: what happened to jobs, and what people did.

        They are made from what is stored anyway: the jobs, their attempts, the journal. So they are told as long as the job
        is there, and a job that ran again since does not tell any more how it had ended without an attempt. An ending is
        stored a moment after it happened: who follows asks for the last seconds again, and knows an event by its key.

        Args:
            after: only what came later than this; everything when `None`.
            limit: how many at most.
            only: only events of these sorts; all when empty.

        Raises:
            InvalidOption: the limit is out of range.
        """
        if not 1 <= limit <= MOST_EVENTS:
            raise InvalidOption("limit", f"must be from 1 to {MOST_EVENTS:,}")
        return self.store.history.events(after=after, limit=limit, only=only)

    def kinds(self) -> Sequence[Kind]:
        """The kinds that may be enqueued, by name, with their arguments."""
        self._know_shell()
        return [self.registry.get(kind).describe() for kind in self.registry.kinds]

    def wait(self, job_id: int, *, timeout: float | None = None, every: float = 0.05) -> Job:
        """Wait until the job is final, and return it.

        Args:
            job_id: the job.
            timeout: seconds to wait at most; the job is then returned as it is.
            every: seconds between two looks.

        Raises:
            JobNotFound: there is none with this id.
        """
        return self._wait(lambda: self.get(job_id), lambda job: job.state in FINAL, timeout, every)

    def _wait(self, look: Callable[[], T], enough: Callable[[T], bool], timeout: float | None, every: float) -> T:
        end = None if timeout is None else self.clock.monotonic() + timeout
        while True:
            found = look()
            if enough(found) or (end is not None and self.clock.monotonic() >= end):
                return found
            time.sleep(every)

    # -- change -----------------------------------------------------------------------------------
    #
    # Each takes one id, and then returns the changed job or raises; or several, and then does what can be
    # done and says of the rest why not. Each is an act in the journal, and can be undone. `who` acts is the queue's
    # `who` unless said. An act in steps passes what `Changes.act` says as `act`, and is undone as one.

    def cancel(self, job_id: int, *, who: str | None = None) -> Job:
        """Cancel a queued job at once; ask a running one to stop. Raises `JobNotFound`, `WrongState`."""
        return self._one(job_id, self.cancel_many([job_id], who=who))

    def cancel_many(self, ids: Iterable[int], *, who: str | None = None, act: int | None = None) -> Changes:
        """Cancel several jobs."""
        return self.store.cancel_jobs(list(ids), by=self._by(who, act))

    def retry(self, job_id: int, *, who: str | None = None) -> Job:
        """Run a final job again, or a scheduled or retrying one now. Raises `JobNotFound`, `WrongState`, `KeyTaken`."""
        return self._one(job_id, self.retry_many([job_id], who=who))

    def retry_many(self, ids: Iterable[int], *, who: str | None = None, act: int | None = None) -> Changes:
        """Retry several jobs."""
        return self.store.retry_jobs(list(ids), by=self._by(who, act))

    def reprioritise(self, job_id: int, priority: int, *, relative: bool = False, who: str | None = None) -> Job:
        """Set a queued job's priority, or add to it where `relative`. Raises `JobNotFound`, `WrongState`, `InvalidOption`."""
        return self._one(job_id, self.reprioritise_many([job_id], priority, relative=relative, who=who))

    def reprioritise_many(
        self, ids: Iterable[int], priority: int, *, relative: bool = False, who: str | None = None, act: int | None = None
    ) -> Changes:
        """Set the priority of several queued jobs, or add to it where `relative`. Raises `InvalidOption`."""
        check_priority(priority)
        return self.store.reprioritise_jobs(list(ids), priority, relative=relative, by=self._by(who, act))

    def edit(
        self, job_id: int, args: Mapping[str, Any] | None = None, *, who: str | None = None, **changes: Unpack[Edits]
    ) -> Job:
        """Change a queued job: its arguments, queue, priority, time, attempts, tags. What is not given stays.

        Args:
            job_id: a job that is scheduled, waiting, pending or retrying.
            args: all of its new arguments by name, checked as at the enqueue; `None` leaves them.
            who: who edits it.
            changes: see `Edits`: queue, priority, delay, at, max_attempts, tags.

        Raises:
            JobNotFound: there is none with this id.
            WrongState: it runs, or is final.
            UnknownKind: its arguments are to be changed, and its kind is not in the registry.
            InvalidArguments: an argument does not fit the handler's signature; so `ArgumentsTooLarge`.
            InvalidOption: an option is out of range, or there is nothing to change.
        """
        change = self.check_edit(job_id, args, **changes)
        if change == Edit():
            raise InvalidOption("edit", "changes nothing: give new arguments or options")
        return self._one(job_id, self.store.edit_job(job_id, change, by=self._by(who)))

    def check_edit(self, job_id: int, args: Mapping[str, Any] | None = None, **changes: Unpack[Edits]) -> Edit:
        """Check a change of a queued job without making it. Raises what `edit` raises."""
        job = self.get(job_id)
        if not allows(Operation.EDIT, job.state):
            raise WrongState(job_id, Operation.EDIT, job.state)
        return check_edit(None if args is None else self._entry(job.kind), args, changes, self.settings, self.clock)

    def delete(self, job_id: int, *, who: str | None = None) -> None:
        """Remove a job that is not running, with its attempts and log. Raises `JobNotFound`, `WrongState`."""
        for refusal in self.delete_many([job_id], who=who).refused.values():
            raise refusal

    def delete_many(self, ids: Iterable[int], *, who: str | None = None, act: int | None = None) -> Changes:
        """Remove several jobs."""
        return self.store.delete_jobs(list(ids), by=self._by(who, act))

    def pause(self, queue: str, *, who: str | None = None) -> bool:
        """Start nothing more from the queue; running jobs go on. `False` if it was paused before."""
        check_name(queue)
        return self.store.pause_queue(queue, by=self._by(who))

    def resume(self, queue: str, *, who: str | None = None) -> bool:
        """Start jobs from the queue again. `False` if it was not paused."""
        check_name(queue)
        return self.store.resume_queue(queue, by=self._by(who))

    def pause_all(self, *, who: str | None = None) -> Sequence[str]:
        """Pause every queue that `queues` tells of, as one act; a queue that is new later is not paused.

        Returns:
            The queues that were not paused before. An undo lets only these go on.
        """
        return self.store.pause_queues(by=self._by(who))

    def resume_all(self, *, who: str | None = None) -> Sequence[str]:
        """Resume every paused queue, as one act, and return them. An undo pauses them again, each since when it was."""
        return self.store.resume_queues(by=self._by(who))

    def limit(
        self,
        queue: str,
        *,
        running: int | None = None,
        rate: int | None = None,
        period: float | None = None,
        who: str | None = None,
    ) -> None:
        """Limit what runs of the queue, in all processes together. What is not given is not limited any more.

        Args:
            queue: the queue.
            running: how many jobs may run at once.
            rate: how many may start within any `period` seconds.
            period: seconds; 1 when a rate is given without it.
            who: who does it; the queue's `who` when `None`.

        Raises:
            InvalidOption: a limit is out of range.
        """
        check_name(queue)
        for name, value in (("running", running), ("rate", rate)):
            if value is not None and not (isinstance(value, int) and 1 <= value <= 10**9):
                raise InvalidOption(name, "must be a whole number from 1 on")
        if period is not None and (rate is None or not 0.001 <= period <= _DAYS):
            raise InvalidOption("period", "goes with a rate, and must be from 0.001 seconds to 31 days")
        limits = Limits(running=running, rate=rate, period=(period or 1.0) if rate else None)
        self.store.limit_queue(queue, limits, by=self._by(who))

    # -- undo -------------------------------------------------------------------------------------

    def undo(self, act: int | None = None, *, of: str | None = None, who: str | None = None) -> Undoing:
        """Take an act back, for every job that has not moved on since; says of the others why not.

        A cancelled job comes back to its place in the queue, a retried one to how it had ended, an edited one to what it
        was, a deleted one with its attempts and the newest of its log, under its own id. A running job that was told to
        stop has been told. A schedule comes back to what it was; what it has enqueued since stays, and ticks missed
        meanwhile are not made up for.

        Args:
            act: the id of the act; the newest that nobody has undone, or tried to, when `None`.
            of: without an `act`: only an act of this person's.
            who: who undoes it; the queue's `who` when `None`.

        Raises:
            NothingToUndo: there is no such act.
            ActNotFound: there is no act with this id; the journal keeps the newest 1,000 of 30 days.
            WrongAct: it was undone before.
        """
        return self.store.journal.undo(act, by=self._by(who).who, who=of)

    def redo(self, act: int | None = None, *, of: str | None = None, who: str | None = None) -> Undoing:
        """Do an undone act again, for the jobs for which it was undone and which have not moved on since.

        Args:
            act: the id of the act; the one undone last, if who undid it has not acted since, when `None`.
            of: without an `act`: only one that this person has undone.
            who: who does it again; the queue's `who` when `None`.

        Raises:
            NothingToUndo: there is no such act.
            ActNotFound: there is no act with this id.
            WrongAct: it is not undone.
        """
        return self.store.journal.redo(act, by=self._by(who).who, who=of)

    def journal(self, *, limit: int = 50) -> Sequence[Act]:
        """The newest acts of people and programs on this queue, newest first."""
        return self.store.journal.list_acts(limit)

    def acts_on(self, job_id: int) -> Sequence[Act]:
        """What people and programs did to one job, oldest first, as far as the newer part of the journal tells.

        Raises:
            JobNotFound: there is none with this id.
        """
        return self.store.journal.acts_on(job_id, self.get(job_id).created_at, ACTS_READ)

    def _by(self, who: str | None, act: int | None = None) -> By:
        return By(self.who if who is None else check_who(who), act)

    def transaction(self) -> AbstractContextManager[None]:
        """Everything done to this queue inside, on this thread, happens at once or not at all."""
        return self.store.transaction()

    def _entry(self, kind: str | Handler) -> Entry:
        if isinstance(kind, str) and kind not in self.registry:
            self._know_shell()
        return self.registry.get(kind if isinstance(kind, str) else self.registry.kind_of(kind))

    def _know_shell(self) -> None:
        if SHELL not in self.registry:
            from .execution.shell import add_shell  # imported late: those who only look at jobs need no subprocesses

            add_shell(self.registry)

    def _one(self, job_id: int, changes: Changes) -> Job:
        for refusal in changes.refused.values():
            raise refusal
        return self.get(job_id)


def _check_sort(sort: str) -> None:
    if sort not in SORTS:
        raise InvalidOption("sort", f"must be one of {', '.join(SORTS)}, not {sort!r}")


def _condition(filter: str | Condition) -> Condition:
    if isinstance(filter, Condition):
        return filter
    return parse(filter) if filter else EVERY_JOB
