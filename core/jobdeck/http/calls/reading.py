"""Calls that read: jobs, queues, workers, kinds, and the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from ...execution.stack_trace import Stack
from ...model.diagnosis import Explanation
from ...model.events import Event, EventType, Runs
from ...model.forecast import QueueStats
from ...model.jobs import Attempt, Batch, Dependencies, Job, Kind, Limits, LogLine
from ...model.journal import JournalEntry
from ...model.metrics import ErrorGroup, Metrics
from ...model.overview import Overview, QueueInfo, WorkerInfo
from ...model.states import State
from ...model.totals import Totals
from ..tokens import Scope
from .about import PROTOCOL, About
from .call import CallContext, Id, Ids, Limit, Seconds, call

Slices = Annotated[int, Field(ge=1, le=10_000)]


@call("about", Scope.READ)
def about(context: CallContext) -> About:
    from ... import __version__

    settings = context.queue.settings
    return About(
        protocol=PROTOCOL,
        version=__version__,
        now=context.queue.clock.now(),
        actor=context.caller.name,
        ageing=settings.ageing,
        lease=settings.lease,
        max_attempts=settings.max_attempts,
        timeout=settings.timeout,
        max_args_bytes=settings.max_args_bytes,
    )


@call("get", Scope.READ)
def get(context: CallContext, job_id: Id) -> Job:
    return context.queue.get(job_id)


@call("get_many", Scope.READ)
def get_many(context: CallContext, ids: Ids) -> Sequence[Job]:
    return context.queue.get_many(ids)


@call("list", Scope.READ)
def list_jobs(
    context: CallContext, filter: str, limit: Limit, sort: str, descending: bool, after: tuple[str | float | None, Id] | None
) -> Sequence[Job]:
    from ...model.jobs import PageEnd

    end = None if after is None else PageEnd(*after)
    return context.queue.list(filter, limit=limit, sort=sort, descending=descending, after=end)


@call("ids", Scope.READ)
def ids(context: CallContext, filter: str, sort: str, descending: bool) -> Sequence[int]:
    return context.queue.ids(filter, sort=sort, descending=descending)


@call("count", Scope.READ)
def count(context: CallContext, filter: str) -> int:
    return context.queue.count(filter)


@call("count_states", Scope.READ)
def count_states(context: CallContext, filter: str) -> Mapping[State, int]:
    return context.queue.count_states(filter)


@call("attempts", Scope.READ)
def attempts(context: CallContext, job_id: Id) -> Sequence[Attempt]:
    return context.queue.attempts(job_id)


@call("logs", Scope.READ)
def logs(context: CallContext, job_id: Id, attempt: Id | None, after: Id, limit: Limit, oldest: bool) -> Sequence[LogLine]:
    return context.queue.logs(job_id, attempt=attempt, after=after, limit=limit, oldest=oldest)


@call("dependencies", Scope.READ)
def dependencies(context: CallContext, job_id: Id) -> Dependencies:
    return context.queue.dependencies(job_id)


@call("stack", Scope.READ)
def stack(context: CallContext, job_id: Id, timeout: Annotated[float, Field(ge=0, le=2)]) -> Stack:
    return context.queue.stack(job_id, timeout=timeout)


@call("batches.get", Scope.READ)
def batch(context: CallContext, batch_id: Id) -> Batch:
    return context.queue.batches.get(batch_id)


@call("queues", Scope.READ)
def queues(context: CallContext) -> Sequence[QueueInfo]:
    return context.queue.queues()


@call("queue_stats", Scope.READ)
def queue_stats(context: CallContext, seconds: Seconds, slices: Slices) -> Sequence[QueueStats]:
    return context.queue.queue_stats(seconds=seconds, slices=slices)


@call("workers.list", Scope.READ)
def workers(context: CallContext) -> Sequence[WorkerInfo]:
    return context.queue.workers.list()


@call("kinds.list", Scope.READ)
def kinds(context: CallContext) -> Sequence[Kind]:
    return context.queue.kinds.list()


@call("kinds.argument_schema", Scope.READ)
def argument_schema(context: CallContext, kind: str) -> dict[str, object]:
    return context.queue.kinds.argument_schema(kind)


@call("overview", Scope.READ)
def overview(context: CallContext, seconds: Seconds, slices: Slices) -> Overview:
    return context.queue.overview(seconds=seconds, slices=slices)


@call("explain", Scope.READ)
def explain(context: CallContext, job_id: Id) -> Explanation:
    return context.queue.explain(job_id)


@call("limits.get", Scope.READ)
def limits(context: CallContext, queue: str) -> Limits:
    return context.queue.limits.get(queue)


@call("journal.entries", Scope.READ)
def journal_entries(context: CallContext, limit: Limit) -> Sequence[JournalEntry]:
    return context.queue.journal.entries(limit=limit)


@call("journal.of_job", Scope.READ)
def journal_of_job(context: CallContext, job_id: Id) -> Sequence[JournalEntry]:
    return context.queue.journal.of_job(job_id)


@call("history.metrics", Scope.READ)
def metrics(
    context: CallContext, seconds: float, slices: Slices, queue: str | None, kind: str | None, by: str | None
) -> Metrics:
    return context.queue.history.metrics(seconds=seconds, slices=slices, queue=queue, kind=kind, by=by)


@call("history.totals", Scope.READ)
def totals(context: CallContext, limit: Limit) -> Totals:
    return context.queue.history.totals(limit=limit)


@call("history.oldest_waits", Scope.READ)
def oldest_waits(context: CallContext) -> Mapping[str, float]:
    return context.queue.history.oldest_waits()


@call("history.errors", Scope.READ)
def errors(context: CallContext, newest: Limit) -> Sequence[ErrorGroup]:
    return context.queue.history.errors(newest=newest)


@call("history.runs", Scope.READ)
def runs(context: CallContext, since: float, until: float | None, limit: Limit, slices: Slices) -> Runs:
    return context.queue.history.runs(since, until, limit=limit, slices=slices)


@call("history.events", Scope.READ)
def events(context: CallContext, after: float | None, limit: Limit, only: list[EventType]) -> Sequence[Event]:
    return context.queue.history.events(after=after, limit=limit, only=only)
