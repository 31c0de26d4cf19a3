"""The records that travel through jobdeck. All are frozen: a change is a new record.

Times are seconds since 1970-01-01 UTC, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .backoff import Bounds, read_bounds
from .errors import JobdeckError, PayloadUnreadable
from .states import State


class Outcome(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """The handler raised."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """The worker died or lost the lease in mid-job."""
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    """The handler asked to be run again later; the attempt was given back."""
    RELEASED = "released"
    """The worker shut down first; the attempt was given back."""


class Reason(StrEnum):
    """Why a job ended `failed`, or was cancelled by the queue itself."""

    EXHAUSTED = "attempts exhausted"
    GIVEN_UP = "given up"
    """The handler, or its policy, said that retrying is of no use."""
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    """Its last attempt ended with the worker: a job that kills its worker ends here."""
    EXPIRED = "expired"
    """It was not started before its `expires_at`."""
    PARENT = "parent"
    """A job that it waited for failed, was cancelled or was removed."""


class IfParentFails(StrEnum):
    """What becomes of a waiting job when a job that it waits for fails, is cancelled or is removed."""

    CANCEL = "cancel"
    RUN = "run"
    """Run it as if the parent had completed."""
    WAIT = "wait"
    """Wait on, until somebody retries the parent and it completes."""


class OnConflict(StrEnum):
    """What an enqueue does when another job holds the unique key."""

    RETURN = "return"
    """Return the other job; nothing is enqueued."""
    REPLACE = "replace"
    """Give the other job, if it is still queued, the new arguments, priority, due time, tags and expiry, and return it.

    One of another kind could not use them: then raise `NotUnique`.
    """
    REFUSE = "refuse"
    """Raise `NotUnique`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A checked job that is not yet in the store. Made by `Queue.draft`."""

    kind: str
    args_json: str
    queue: str
    priority: int
    max_attempts: int
    scheduled_at: float | None = None
    """`None` means now."""
    timeout: float | None = None
    """Seconds one attempt may take; `None` means as long as it needs."""
    tags: tuple[str, ...] = ()
    expires_at: float | None = None
    """Not worth starting later than this."""
    unique_key: str | None = None
    """At most one job that is not final has this key."""
    unique_final: frozenset[State] = frozenset()
    """The final states in which the job still keeps its key to itself."""
    on_conflict: OnConflict = OnConflict.RETURN
    after: tuple[int, ...] = ()
    """Ids of the jobs that have to complete first."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    backoff_json: str | None = None
    """Back-off of this job alone; its kind's when `None`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What shall be different about a queued job, checked. `None` leaves it as it is. Made by `edits.check_edit`."""

    args_json: str | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    scheduled_at: float | None = None
    """When it shall be due, in seconds since 1970 UTC."""
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it was when it was read."""

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
    """Attempts begun so far."""
    max_attempts: int
    created_at: float
    scheduled_at: float
    """When it is due. Never starts before."""
    started_at: float | None = None
    """When its newest attempt began; while it runs, when that was claimed, some milliseconds earlier."""
    finished_at: float | None = None
    worker: str | None = None
    """The worker that runs it, or ran it last."""
    lease: int | None = None
    """The fencing token of the current claim."""
    lease_until: float | None = None
    """When the lease ends if no heartbeat renews it."""
    timeout: float | None = None
    cancelling: bool = False
    """Asked to stop; its code still runs."""
    reason: Reason | None = None
    """Why it failed, or was cancelled by the queue itself."""
    crashes: int = 0
    """How often a crash has interrupted it."""
    expires_at: float | None = None
    """Not worth starting later than this."""
    unique_key: str | None = None
    batch: int | None = None
    backoff_json: str | None = None
    """Back-off of this job alone; its kind's when `None`."""
    tags: tuple[str, ...] = ()
    progress: float | None = None
    """From 0 to 1, if the handler tells."""
    result_json: str | None = None
    error: str | None = None
    """Type and message of the newest error, on one line."""

    @property
    def args(self) -> dict[str, Any]:
        """The arguments.

        Raises:
            PayloadUnreadable: the stored text is not a JSON object.
        """
        try:
            value = json.loads(self.args_json)
        except (ValueError, RecursionError):
            raise PayloadUnreadable(self.id) from None
        if not isinstance(value, dict):
            raise PayloadUnreadable(self.id)
        return value

    @property
    def backoff(self) -> Bounds | None:
        """The first step and the cap of its own back-off, in seconds; `None` where its kind's holds."""
        return None if self.backoff_json is None else read_bounds(self.backoff_json)

    @property
    def result(self) -> Any:
        """What the handler returned, as JSON read it; the stored text itself if it is not JSON."""
        if self.result_json is None:
            return None
        try:
            return json.loads(self.result_json)
        except (ValueError, RecursionError):
            return self.result_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs that were enqueued together, with one outcome to wait for."""

    id: int
    name: str
    total: int
    """How many jobs it began with."""
    created_at: float
    counts: Mapping[State, int] = field(default_factory=dict)
    """Those that are still in the store, by state; the others were completed or removed, and pruned."""

    @property
    def open(self) -> int:
        """Jobs that are not final."""
        return sum(n for state, n in self.counts.items() if not state.is_final)

    @property
    def finished(self) -> bool:
        """Whether every job is final."""
        return self.open == 0

    @property
    def succeeded(self) -> bool:
        """Whether every job is final and none failed or was cancelled."""
        return self.finished and not (self.counts.get(State.FAILED) or self.counts.get(State.CANCELLED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Jobs that come after one another, seen from one of them. At most 1,000 of each, those with the lowest ids."""

    parents: Mapping[int, State | None] = field(default_factory=dict)
    """The jobs that it came after, with their states; `None`: deleted or pruned since."""
    waits_for: tuple[int, ...] = ()
    """Those of them that it still waits for."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    """What becomes of it when one of them fails, is cancelled or is removed."""
    children: Mapping[int, State] = field(default_factory=dict)
    """The jobs that came after it, with their states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for a queue, in all processes together; `None` means no limit."""

    running: int | None = None
    """Jobs that may run at once."""
    rate: int | None = None
    """Jobs that may start within any `period` seconds."""
    period: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job, finished or running."""

    job_id: int
    number: int
    """From 1. Two may bear the same number where an attempt was given back."""
    worker: str
    started_at: float
    finished_at: float | None = None
    outcome: Outcome | None = None
    """`None` while it runs."""
    error_type: str | None = None
    message: str | None = None
    traceback: str | None = None
    late_at: float | None = None
    """When the worker came back with a result although it had lost the lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A piece of an attempt's log: one logging record, or some lines of a command's output."""

    id: int
    """Grows with time; `after=` takes it."""
    job_id: int
    attempt: int
    at: float
    level: str
    """`debug` … `critical` for logging records; `out` and `err` for a command's two streams."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What can be enqueued: a kind and the shape of its arguments."""

    name: str
    queue: str
    priority: int
    max_attempts: int | None
    timeout: float | None
    concurrency: int | None
    """How many may run at once, in all processes together."""
    doc: str
    """The first paragraph of the handler's docstring."""
    parameters: tuple[Parameter, ...]
    isolate: bool = False
    """Whether it runs in a child process of its own, which can be killed."""
    backoff: Bounds | None = None
    """The first step and the cap of the pauses between attempts, in seconds; `None` where it has a function of its own."""
    retry_on: tuple[str, ...] | None = None
    """The errors that are worth another attempt; `None` means every one that is not given up on."""
    give_up_on: tuple[str, ...] = ()
    """The errors that fail a job at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument of a kind."""

    name: str
    type: str
    """As a person reads it: `int`, `list[str]`."""
    required: bool
    default: Any = None
    choices: tuple[Any, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What came of an operation on several jobs: each was done, or refused with a reason."""

    done: tuple[int, ...] = ()
    refused: Mapping[int, JobdeckError] = field(default_factory=dict)
    act: int | None = None
    """The id of the act in the journal, for `Queue.undo`; `None` if nothing was done."""
    undoable: int = 0
    """How many of the jobs an undo could take back now. A running job that was told to stop has been told."""
    children: int = 0
    """How many jobs that waited for them were cancelled with them; an undo brings them back too."""


# How a claimed attempt ends: what the worker hands to the store. Each carries the job as claimed.
