"""The records of jobs: new jobs, stored jobs, attempts, batches, kinds. All are frozen; a change creates a new record.

Times are seconds since 1970-01-01 UTC, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from ..json_functions import json
from .backoff import Bounds, read_bounds
from .errors import InvalidOption, InvalidPayload, JobdeckError
from .record_class import record
from .states import State
from .trace_context import split_trace


class Outcome(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """The handler raised."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """The worker died or lost the lease during the job."""
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    """The handler postponed the job; the attempt does not count."""
    RELEASED = "released"
    """The worker shut down first; the attempt does not count."""


class Reason(StrEnum):
    """Why a job failed, or was cancelled by the queue itself."""

    EXHAUSTED = "attempts exhausted"
    GIVEN_UP = "given up"
    """The handler or its retry policy ruled out a retry."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """The worker died during the last attempt, as with a job that kills its worker."""
    EXPIRED = "expired"
    """It was not started before `expires_at`."""
    PARENT = "parent"
    """A job that it waited for failed, was cancelled or was deleted."""
    DAMAGED = "damaged"
    """Its stored row could not be read: a bit had flipped, or another program had written it."""


class IfParentFails(StrEnum):
    """What happens to a waiting job if a job that it waits for (its parent) fails, is cancelled or is deleted."""

    CANCEL = "cancel"
    RUN = "run"
    """Run it as if the parent had completed."""
    WAIT = "wait"
    """Keep waiting until the parent is retried and completes."""


class OnConflict(StrEnum):
    """What an enqueue does if another job holds the unique key."""

    RETURN = "return"
    """Return the other job; nothing is enqueued."""
    REPLACE = "replace"
    """Replace the arguments, name, priority, due time, tags and expiry of the other job if it is still queued, and return it.

    Raise `UniqueKeyConflict` if the other job is of another kind, which could not use them.
    """
    REFUSE = "refuse"
    """Raise `UniqueKeyConflict`."""


@record(kw_only=True)
class NewJob:
    """A validated job that is not in the store yet. Created by `Queue.new_job`."""

    kind: str
    args_json: str
    queue: str
    priority: int
    max_attempts: int
    scheduled_at: float | None = None
    """`None` means now."""
    timeout: float | None = None
    """Timeout of an attempt in seconds; `None` means no limit."""
    tags: tuple[str, ...] = ()
    expires_at: float | None = None
    """When the job fails as expired if it has not started."""
    unique_key: str | None = None
    """A key that at most one job holds unless it is final."""
    unique_final: frozenset[State] = frozenset()
    """The final states in which the job still holds its key."""
    on_conflict: OnConflict = OnConflict.RETURN
    after: tuple[int, ...] = ()
    """Ids of the jobs that must complete first."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    backoff_json: str | None = None
    """The backoff of this job only; that of its kind if `None`."""
    trace: str | None = None
    """The trace that it belongs to; see `trace_context`."""


@record(kw_only=True)
class JobEdit:
    """A validated edit of a queued job. `None` leaves a field unchanged. Created by `check_edit`."""

    args_json: str | None = None
    kind: str | None = None
    """The kind of a command with another name."""
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    scheduled_at: float | None = None
    """The new due time, in seconds since 1970 UTC."""
    tags: tuple[str, ...] | None = None


_ESTIMATES_AFTER = 1.0
"""Seconds that a job must have run before the time left is estimated."""


@record(kw_only=True)
class Job:
    """A job, as it was when it was read."""

    id: int
    """Never reused."""
    kind: str
    args_json: str
    """The arguments as stored: a JSON object."""
    queue: str
    priority: int
    """Larger runs first."""
    state: State
    attempt: int
    """Number of attempts started so far."""
    max_attempts: int
    created_at: float
    scheduled_at: float
    """When it is due. It never starts earlier."""
    started_at: float | None = None
    """When its newest attempt started; while it runs, when that attempt was claimed, which is slightly earlier."""
    finished_at: float | None = None
    worker: str | None = None
    """The worker that runs it, or ran it last."""
    lease: int | None = None
    """The fencing token of the current claim."""
    lease_until: float | None = None
    """When the lease expires if no heartbeat renews it."""
    timeout: float | None = None
    cancelling: bool = False
    """`True` if it was asked to stop and its code still runs."""
    reason: Reason | None = None
    """Why it failed, or was cancelled by the queue itself."""
    crashes: int = 0
    """The number of crashes that interrupted it."""
    expires_at: float | None = None
    """When the job fails as expired if it has not started."""
    unique_key: str | None = None
    batch: int | None = None
    backoff_json: str | None = None
    """The backoff of this job only; that of its kind if `None`."""
    tags: tuple[str, ...] = ()
    progress: float | None = None
    """From 0 to 1, if the handler reports it."""
    progress_message: str | None = None
    """What the handler said with its progress, on one line."""
    result_json: str | None = None
    error: str | None = None
    """Type and message of the newest error, on one line."""
    trace: str | None = None
    """The trace that it belongs to, as stored: see `traceparent`, `tracestate` and `trace_id`."""

    def time_left(self, now: float) -> float | None:
        """Estimate the seconds until a running job finishes, from the progress that it reported; `None` if it reported none.

        Args:
            now: seconds since 1970 UTC.
        """
        if self.state is not State.RUNNING or not self.progress or self.started_at is None:
            return None
        spent = max(0.0, now - self.started_at)
        return spent / self.progress - spent if spent >= _ESTIMATES_AFTER else None

    @property
    def args(self) -> dict[str, Any]:
        """The arguments.

        Raises:
            InvalidPayload: the stored text is not a JSON object.
        """
        try:
            value = json.loads(self.args_json)
        except (ValueError, RecursionError):
            raise InvalidPayload(self.id) from None
        if not isinstance(value, dict):
            raise InvalidPayload(self.id)
        return value

    @property
    def traceparent(self) -> str | None:
        """The trace and the span that enqueued it, as W3C Trace Context writes them; `None` if it belongs to no trace."""
        found = split_trace(self.trace)
        return None if found is None else found[0]

    @property
    def tracestate(self) -> str | None:
        """Return the `tracestate` that belongs to its `traceparent`; `None` if it has none."""
        found = split_trace(self.trace)
        return None if found is None else found[1]

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that it belongs to, 32 hexadecimal digits; `None` if it belongs to none."""
        found = self.traceparent
        return None if found is None else found.split("-")[1]

    @property
    def backoff(self) -> Bounds | None:
        """The first step and the maximum of its own backoff, in seconds; `None` if that of its kind applies."""
        return None if self.backoff_json is None else read_bounds(self.backoff_json)

    @property
    def result(self) -> Any:
        """The return value of the handler, parsed from JSON; the stored text if it is not JSON."""
        if self.result_json is None:
            return None
        try:
            return json.loads(self.result_json)
        except (ValueError, RecursionError):
            return self.result_json


@record
class Enqueued:
    """A job that was to be enqueued."""

    job: Job
    """The new job, or the one that holds its unique key."""
    new: bool = True
    """`True` if it was enqueued."""


@record(kw_only=True)
class Batch:
    """Jobs that were enqueued together and can be waited for as a whole."""

    id: int
    name: str
    total: int
    """The number of jobs that were enqueued."""
    created_at: float
    counts: Mapping[State, int] = field(default_factory=dict)
    """The number of jobs still in the store, by state; the others were deleted or pruned."""

    @property
    def open(self) -> int:
        """The number of jobs that are not final."""
        return sum(n for state, n in self.counts.items() if not state.is_final)

    @property
    def finished(self) -> bool:
        """Return whether every job is final."""
        return self.open == 0

    @property
    def succeeded(self) -> bool:
        """Return whether every job is final and none failed or was cancelled."""
        return self.finished and not (self.counts.get(State.FAILED) or self.counts.get(State.CANCELLED))


@record
class PageEnd:
    """The last job of a page of a sorted list, after which the next page begins, even if the job has changed or gone since."""

    value: str | float | None
    """The value by which the list is sorted."""
    job_id: int

    @classmethod
    def of(cls, job: Job, sort: str) -> PageEnd:
        """Return the end of a page whose last job this is.

        Raises:
            InvalidOption: lists sorted by `sort` cannot be continued, because its values change as time passes.
        """
        if sort not in PAGED_SORTS:
            raise InvalidOption("sort", f"must be one of {', '.join(PAGED_SORTS)} to read page after page, not {sort!r}")
        value = getattr(job, PAGED_SORTS[sort])
        return cls(str(value) if isinstance(value, StrEnum) else value, job.id)


PAGED_SORTS = {name: name for name in ("id", "state", "kind", "queue", "priority", "attempt")}
"""The keys by which a list can be read page after page, and their fields: their values do not change as time passes."""
PAGED_SORTS |= {"age": "created_at", "due": "scheduled_at", "started": "started_at", "finished": "finished_at"}


@record(kw_only=True)
class Dependencies:
    """The dependencies of a job: its parents and children. At most 1,000 of each, those with the lowest ids."""

    parents: Mapping[int, State | None] = field(default_factory=dict)
    """The jobs that it depends on, with their states; `None` if deleted or pruned since."""
    waits_for: tuple[int, ...] = ()
    """The parents that it still waits for."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    """What happens to it if a parent fails, is cancelled or is deleted."""
    children: Mapping[int, State] = field(default_factory=dict)
    """The jobs that depend on it, with their states."""


@record(kw_only=True)
class Limits:
    """The limits of a queue, for all processes together; `None` means no limit."""

    running: int | None = None
    """Maximum number of running jobs."""
    rate: int | None = None
    """Maximum number of jobs that start within any `period` seconds."""
    period: float | None = None


@record(kw_only=True)
class Attempt:
    """One attempt of a job, finished or running."""

    job_id: int
    number: int
    """From 1. Two attempts can have the same number if the first one was snoozed or released."""
    worker: str
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None
    """`None` while it runs."""
    error_type: str | None = None
    message: str | None = None
    traceback: str | None = None
    late_at: float | None = None
    """When the worker delivered a result after it had lost the lease."""


UNFINISHED = "…"
"""Ends the stored level of a log entry whose last line continues in the next entry of its level."""


@record(kw_only=True)
class LogLine:
    """An entry of an attempt's log: one logging record, or some lines of a command's output."""

    id: int
    """Increases with time; can be passed as `after=`."""
    job_id: int
    attempt: int
    at: float
    level: str
    """`debug` … `critical` for logging records; `out` and `err` for the output streams of a command."""
    text: str
    """Without the newline of the last line."""
    unfinished: bool = False
    """`True` if the last line continues in the next entry of its level; at the end of a log, if it has no newline."""


@record(kw_only=True)
class Kind:
    """A kind of job that can be enqueued, with its defaults and parameters."""

    name: str
    queue: str
    priority: int
    max_attempts: int | None
    timeout: float | None
    concurrency: int | None
    """Maximum number of running jobs of the kind, in all processes together."""
    doc: str
    """The first paragraph of the handler's docstring."""
    parameters: tuple[Parameter, ...]
    isolate: bool = False
    """`True` if each job runs in a child process of its own, which can be killed."""
    backoff: Bounds | None = None
    """The first step and the maximum of the backoff, in seconds; `None` if a custom function computes it."""
    retry_on: tuple[str, ...] | None = None
    """The errors that are retried; `None` means all except those in `give_up_on`."""
    give_up_on: tuple[str, ...] = ()
    """The errors that fail a job without a retry."""


@record(kw_only=True)
class Parameter:
    """One argument of a kind."""

    name: str
    type: str
    """The type in readable form: `int`, `list[str]`."""
    required: bool
    default: Any = None
    choices: tuple[Any, ...] = ()
    doc: str = ""


@record
class OperationResult:
    """The result of an operation on several jobs: each was done, or refused with an error."""

    done: tuple[int, ...] = ()
    refused: Mapping[int, JobdeckError] = field(default_factory=dict)
    entry_id: int | None = None
    """The id of the journal entry, for `Queue.undo`; `None` if nothing was done."""
    undoable: int = 0
    """The number of jobs that an undo can restore now. A stop request to a running job cannot be undone."""
    children: int = 0
    """The number of dependent jobs that were cancelled with them; an undo restores them, too."""
