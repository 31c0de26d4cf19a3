"""What a person or a program asks of the queue."""

from __future__ import annotations

import contextlib
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from .clock import Clock, SystemClock
from .errors import InvalidOption, JobNotFound, StoreRefused
from .jobs import Attempt, Changes, Job, Kind, LogLine, NewJob, Overview, QueueInfo, WorkerInfo
from .journal import Act, By, Undoing, check_who, whoami
from .query import EVERY_JOB, Condition, parse
from .registry import REGISTRY, SHELL, Entry, Handler, Registry
from .settings import Settings, default_database
from .states import FINAL
from .store.base import SORTS, Store

PRIORITIES = range(-1_000_000, 1_000_001)
_NAME_LENGTH = 200
_FAR = 1e10
"""Seconds: 300 years. Beyond lies a mistake."""

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
        who: str | None = None,
    ) -> None:
        """Open the queue; make the database if there is none.

        Args:
            database: a path or `sqlite:///path`; JOBDECK_DATABASE when `None`.
            settings: read from the environment and `.env` when `None`.
            registry: the kinds that may be enqueued; those of `@job` when `None`.
            clock: where the time is read; the machine's when `None`.
            random: where leases and jitter come from.
            adopt: put the queue into an SQLite file that holds tables of another program.
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
        self.where = str(database or self.settings.database)
        self.store: Store = _open(self.where, self.settings, self.clock, self.random, adopt=adopt)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections of all threads."""
        self.store.close()

    # -- enqueue ----------------------------------------------------------------------------------

    def draft(
        self,
        kind: str | Handler,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay: float | None = None,
        at: float | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        tags: Sequence[str] = (),
    ) -> NewJob:
        """Check a job without enqueueing it; `enqueue_many` takes what this returns.

        Args:
            kind: a registered kind, or the handler itself.
            args: the handler's arguments by name.
            queue: the queue; the kind's when `None`.
            priority: larger runs first; the kind's when `None`.
            delay: seconds from now until it is due.
            at: seconds since 1970 UTC when it is due; `delay` and `at` exclude each other.
            max_attempts: how often it may start; the kind's, or JOBDECK_MAX_ATTEMPTS, when `None`.
            timeout: seconds one attempt may take; the kind's, or JOBDECK_TIMEOUT, when `None`.
            tags: words to find it by.

        Raises:
            UnknownKind: the kind is not in the registry.
            InvalidArguments: an argument does not fit the handler's signature.
            ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
            InvalidOption: an option is out of range.
        """
        if isinstance(kind, str) and kind not in self.registry:
            self._know_shell()
        entry: Entry = self.registry.get(kind if isinstance(kind, str) else self.registry.kind_of(kind))
        chosen_queue = entry.queue if queue is None else queue
        chosen_priority = entry.priority if priority is None else priority
        attempts = next(n for n in (max_attempts, entry.max_attempts, self.settings.max_attempts) if n is not None)
        limit = next((n for n in (timeout, entry.timeout, self.settings.timeout) if n is not None), 0.0)
        _check_name(chosen_queue)
        _check_priority(chosen_priority)
        if not isinstance(attempts, int) or not 1 <= attempts <= 1000:
            raise InvalidOption("max_attempts", "must be a whole number from 1 to 1,000")
        if not 0 <= limit < _FAR:
            raise InvalidOption("timeout", "must not be negative, nor longer than 300 years")
        if delay is not None and at is not None:
            raise InvalidOption("delay", "and the time exclude each other; give one")
        if delay is not None and not 0 <= delay < _FAR:
            raise InvalidOption("delay", "must not be negative, nor longer than 300 years")
        if at is not None and not 0 <= at < 2 * _FAR:
            raise InvalidOption("time", "must be seconds since 1970, and within the next 300 years")
        if isinstance(tags, str):
            tags = (tags,)
        if any(not isinstance(tag, str) or not tag or not tag.isprintable() or len(tag) > _NAME_LENGTH for tag in tags):
            raise InvalidOption("tag", f"must be a word of 1 to {_NAME_LENGTH} printable characters")
        return NewJob(
            kind=entry.kind,
            args_json=entry.check(args or {}, self.settings.max_args_bytes),
            queue=chosen_queue,
            priority=chosen_priority,
            max_attempts=attempts,
            scheduled_at=self.clock.now() + delay if delay else at,
            timeout=limit or None,
            tags=tuple(tags),
        )

    def enqueue(self, kind: str | Handler, args: Mapping[str, Any] | None = None, /, **options: Any) -> Job:
        """Put a job into the queue. It is durable when this returns.

        Takes the arguments of `draft`, and raises what it raises.
        """
        return self.enqueue_many([self.draft(kind, args, **options)])[0]

    def enqueue_many(self, jobs: Iterable[NewJob]) -> Sequence[Job]:
        """Put drafted jobs into the queue, in their order, in one commit: all or none."""
        return self.store.enqueue_jobs(list(jobs))

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
            sort: id, state, kind, queue, priority, attempt, age, took or error.
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

    def count(self, filter: str | Condition = "") -> int:
        """How many jobs match the filter. Raises `InvalidFilter`."""
        return self.store.count_jobs(_condition(filter))

    def attempts(self, job_id: int) -> Sequence[Attempt]:
        """The attempts of a job, oldest first, the running one last. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.list_attempts(job_id)

    def logs(self, job_id: int, *, attempt: int | None = None, after: int = 0, limit: int = 10_000) -> Sequence[LogLine]:
        """The newest `limit` log lines of a job with an id above `after`, oldest first. Raises `JobNotFound`."""
        self.get(job_id)
        return self.store.read_logs(job_id, attempt=attempt, after=after, limit=limit)

    def queues(self) -> Sequence[QueueInfo]:
        """Every queue that has jobs or is paused, by name."""
        return self.store.list_queues()

    def workers(self) -> Sequence[WorkerInfo]:
        """The worker processes that have reported and not ended, oldest first."""
        return self.store.list_workers(self.settings.lease)

    def overview(self, *, seconds: float = 600.0, slots: int = 60) -> Overview:
        """One consistent look at everything, with metrics over the last `seconds` cut into about `slots` slices."""
        return self.store.overview(seconds=seconds, slots=slots, lease=self.settings.lease)

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
        end = None if timeout is None else self.clock.monotonic() + timeout
        while True:
            job = self.get(job_id)
            if job.state in FINAL or (end is not None and self.clock.monotonic() >= end):
                return job
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
        _check_priority(priority)
        return self.store.reprioritise_jobs(list(ids), priority, relative=relative, by=self._by(who, act))

    def delete(self, job_id: int, *, who: str | None = None) -> None:
        """Remove a job that is not running, with its attempts and log. Raises `JobNotFound`, `WrongState`."""
        for refusal in self.delete_many([job_id], who=who).refused.values():
            raise refusal

    def delete_many(self, ids: Iterable[int], *, who: str | None = None, act: int | None = None) -> Changes:
        """Remove several jobs."""
        return self.store.delete_jobs(list(ids), by=self._by(who, act))

    def pause(self, queue: str, *, who: str | None = None) -> bool:
        """Start nothing more from the queue; running jobs go on. `False` if it was paused before."""
        _check_name(queue)
        return self.store.pause_queue(queue, by=self._by(who))

    def resume(self, queue: str, *, who: str | None = None) -> bool:
        """Start jobs from the queue again. `False` if it was not paused."""
        _check_name(queue)
        return self.store.resume_queue(queue, by=self._by(who))

    # -- undo -------------------------------------------------------------------------------------

    def undo(self, act: int | None = None, *, of: str | None = None, who: str | None = None) -> Undoing:
        """Take an act back, for every job that has not moved on since; says of the others why not.

        A cancelled job comes back to its place in the queue, a retried one to how it had ended, a deleted one with its
        attempts and the newest of its log, under its own id. A running job that was told to stop has been told.

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

    def _by(self, who: str | None, act: int | None = None) -> By:
        return By(self.who if who is None else check_who(who), act)

    def transaction(self) -> AbstractContextManager[None]:
        """Everything done to this queue inside, on this thread, happens at once or not at all."""
        return self.store.transaction()

    def _know_shell(self) -> None:
        if SHELL not in self.registry:
            from .shell import add_shell  # imported late: those who only look at jobs need no subprocesses

            add_shell(self.registry)

    def _one(self, job_id: int, changes: Changes) -> Job:
        for refusal in changes.refused.values():
            raise refusal
        return self.get(job_id)


def _check_name(queue: str) -> None:
    if not isinstance(queue, str) or not 0 < len(queue) <= _NAME_LENGTH or not queue.isprintable():
        raise InvalidOption("queue", f"must be a name of 1 to {_NAME_LENGTH} printable characters")


def _check_priority(priority: int) -> None:
    if not isinstance(priority, int) or priority not in PRIORITIES:
        raise InvalidOption("priority", f"must be a whole number from {PRIORITIES[0]:,} to {PRIORITIES[-1]:,}")


def _check_sort(sort: str) -> None:
    if sort not in SORTS:
        raise InvalidOption("sort", f"must be one of {', '.join(SORTS)}, not {sort!r}")


def _condition(filter: str | Condition) -> Condition:
    if isinstance(filter, Condition):
        return filter
    return parse(filter) if filter else EVERY_JOB


def _open(where: str, settings: Settings, clock: Clock, random: Random, *, adopt: bool) -> Store:
    scheme, separator, rest = where.partition("://")
    if not separator:
        path = where
    elif scheme == "sqlite":
        path = rest.removeprefix("/")
    else:
        raise StoreRefused(where, f"names a {scheme} database, and this jobdeck works on SQLite files only; give a path")
    from .store.sqlite import SqliteStore  # the one place where a store is chosen

    try:
        file = Path(path).expanduser()
    except RuntimeError:
        raise StoreRefused(where, "names the home folder of a user who is not known here") from None
    if where == default_database():
        with contextlib.suppress(OSError):  # what is wrong with it is said by the store
            file.parent.mkdir(parents=True, exist_ok=True)
    return SqliteStore(file, clock=clock, random=random, synchronous=settings.synchronous, adopt=adopt)
