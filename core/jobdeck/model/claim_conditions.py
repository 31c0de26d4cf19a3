"""The conditions of a claim for one job: everything that decides whether it is claimed, as read by a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from .jobs import IfParentFails, Job
from .kind_names import handler_kind
from .overview import WorkerInfo
from .record_class import record
from .states import State

AHEAD_COUNTED = 10_000
"""The maximum number of jobs ahead that are counted."""
_STARTING = 5.0
"""Seconds that a worker has to start its threads."""


@record(kw_only=True)
class Parent:
    """A job that another job waits for."""

    id: int
    state: State | None
    """`None` if it was deleted or pruned."""


@record(kw_only=True)
class DrainRate:
    """The rate at which the workers that serve a job have recently finished attempts."""

    finished: int
    """Number of attempts that finished."""
    seconds: float
    """Length of the time in which they finished."""
    mean_run: float
    """Mean run time of an attempt, in seconds."""


@record(kw_only=True)
class ClaimConditions:
    """Everything that decides whether a job is claimed, read by a store in one transaction."""

    at: float
    job: Job
    workers: Sequence[WorkerInfo]
    paused_at: float | None = None
    """When its queue was paused; `None` if it is not paused."""
    max_running: int | None = None
    """Maximum number of running jobs in its queue."""
    queue_running: int = 0
    kind_running: int = 0
    rate: int | None = None
    """Maximum number of jobs of its queue that start in `rate_period` seconds."""
    rate_period: float | None = None
    rate_free_in: float | None = None
    """Seconds until the rate limit allows the next start; `None` means now."""
    parents: Sequence[Parent] = ()
    """The jobs that it still waits for."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    crash_suspects: Mapping[str, int] = field(default_factory=dict)
    """Worker → its running job that a crash has interrupted before; only set if the job itself is such a job."""
    ahead: int | None = None
    """Number of ready jobs that the same workers claim first, counted up to one more than `AHEAD_COUNTED`."""
    drain_rate: DrainRate | None = None


def is_available(worker: WorkerInfo, at: float) -> bool:
    """Return whether the worker claims any jobs."""
    return worker.alive and not worker.draining and (worker.threads > 0 or at - worker.started_at < _STARTING)


def matches(worker: WorkerInfo, queue: str, kind: str) -> bool:
    """Return whether the worker claims jobs of this kind from this queue. A worker without a list of kinds matches all."""
    return (not worker.queues or queue in worker.queues) and (not worker.kinds or handler_kind(kind) in worker.kinds)


def eligible_workers(conditions: ClaimConditions) -> list[WorkerInfo]:
    """Return the workers that would claim the job."""
    job = conditions.job
    return [each for each in conditions.workers if is_available(each, conditions.at) and matches(each, job.queue, job.kind)]
