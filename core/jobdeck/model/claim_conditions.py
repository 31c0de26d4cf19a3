"""Where a job stands: everything that decides whether it is claimed, of one moment. A store reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .jobs import IfParentFails, Job
from .overview import WorkerInfo
from .states import State

AHEAD_COUNTED = 10_000
"""Jobs ahead are counted up to this many."""
_STARTING = 5.0
"""Seconds that a worker gets to start its threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A job that another one waits for."""

    id: int
    state: State | None
    """`None`: it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the workers that serve a job have worked off what they serve."""

    ended: int
    """Attempts that ended."""
    seconds: float
    """In so much time."""
    mean_run: float
    """Seconds that one took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides whether a job is claimed, all of one moment. Read by a store."""

    at: float
    job: Job
    workers: Sequence[WorkerInfo]
    paused_at: float | None = None
    """Since when its queue is paused."""
    max_running: int | None = None
    """How many jobs of its queue may run at once."""
    queue_running: int = 0
    kind_running: int = 0
    rate: int | None = None
    """How many jobs of its queue may start in `rate_period` seconds."""
    rate_period: float | None = None
    rate_free_in: float | None = None
    """Seconds until one may start again; `None`: now."""
    parents: Sequence[Parent] = ()
    """The jobs that it still waits for."""
    if_parent_fails: IfParentFails = IfParentFails.CANCEL
    suspects: Mapping[str, int] = field(default_factory=dict)
    """Worker → the job that it runs and that a crash has interrupted before; told where the job itself is such a one."""
    ahead: int | None = None
    """Ready jobs that the same workers claim first, counted up to one more than `AHEAD_COUNTED`."""
    pace: Pace | None = None


def could_serve(worker: WorkerInfo, at: float) -> bool:
    """Whether the worker claims anything at all."""
    return worker.alive and not worker.draining and (worker.threads > 0 or at - worker.started_at < _STARTING)


def serves(worker: WorkerInfo, queue: str, kind: str) -> bool:
    """Whether the worker claims jobs of this kind from this queue. One that names no kinds may know any."""
    return (not worker.queues or queue in worker.queues) and (not worker.kinds or kind in worker.kinds)


def serving(situation: Situation) -> list[WorkerInfo]:
    """The workers that would claim the job."""
    job = situation.job
    return [each for each in situation.workers if could_serve(each, situation.at) and serves(each, job.queue, job.kind)]
