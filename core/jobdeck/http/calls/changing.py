"""Calls that change: enqueue and operate. Their actor is the caller, whatever was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.environment import restore_arguments
from ...model.jobs import Batch, Enqueued, Job, JobEdit, NewJob, OperationResult
from ...model.journal import UndoResult
from ...model.overview import WorkerInfo
from ...model.states import Operation
from ..tokens import Scope
from .call import CallContext, EditedOptions, Id, Ids, JobRequest, call, checked_jobs


@call("new_jobs", Scope.ENQUEUE)
def new_jobs(context: CallContext, jobs: list[JobRequest]) -> Sequence[NewJob]:
    return checked_jobs(context, jobs)


@call("enqueue_new", Scope.ENQUEUE)
def enqueue_new(context: CallContext, jobs: list[JobRequest]) -> Sequence[Enqueued]:
    return context.queue.enqueue_new(checked_jobs(context, jobs))


@call("batches.enqueue", Scope.ENQUEUE)
def enqueue_batch(context: CallContext, jobs: list[JobRequest], name: str, into: Id | None) -> Batch:
    return context.queue.batches.enqueue(checked_jobs(context, jobs), name=name, into=into)


@call("change_many", Scope.OPERATE)
def change_many(
    context: CallContext,
    operation: Operation,
    ids: Ids,
    priority: int,
    relative: bool,
    reversible: bool,
    entry_id: Id | None,
) -> OperationResult:
    return context.queue.change_many(
        operation,
        ids,
        priority=priority,
        relative=relative,
        reversible=reversible,
        entry_id=entry_id,
        actor=context.caller.name,
    )


@call("edit", Scope.OPERATE)
def edit(context: CallContext, job_id: Id, args: dict[str, Any] | None, changes: EditedOptions) -> Job:
    given = _edited(context, job_id, args)
    return context.queue.edit(job_id, given, actor=context.caller.name, **changes.given())


@call("check_edit", Scope.OPERATE)
def check_edit(context: CallContext, job_id: Id, args: dict[str, Any] | None, changes: EditedOptions) -> JobEdit:
    context.queue.check_edit(job_id, _edited(context, job_id, args), **changes.given())
    return JobEdit()  # what it would change is known to the caller, but for secrets that are masked


def _edited(context: CallContext, job_id: int, args: dict[str, Any] | None) -> dict[str, Any] | None:
    if args is None:
        return None
    before = context.queue.get(job_id)
    context.allow_kind(before.kind)
    restored: dict[str, Any] = restore_arguments(args, before.args)  # masks that were read stand for the secrets
    return restored


@call("pause", Scope.OPERATE)
def pause(context: CallContext, queue: str) -> bool:
    return context.queue.pause(queue, actor=context.caller.name)


@call("resume", Scope.OPERATE)
def resume(context: CallContext, queue: str) -> bool:
    return context.queue.resume(queue, actor=context.caller.name)


@call("pause_all", Scope.OPERATE)
def pause_all(context: CallContext) -> Sequence[str]:
    return context.queue.pause_all(actor=context.caller.name)


@call("resume_all", Scope.OPERATE)
def resume_all(context: CallContext) -> Sequence[str]:
    return context.queue.resume_all(actor=context.caller.name)


@call("limits.set", Scope.OPERATE)
def set_limits(
    context: CallContext, queue: str, running: int | None, rate: int | None, period: float | None, keep: bool
) -> None:
    context.queue.limits.set(queue, running=running, rate=rate, period=period, keep=keep, actor=context.caller.name)


@call("workers.drain", Scope.OPERATE)
def drain_worker(context: CallContext, worker_id: str) -> WorkerInfo:
    return context.queue.workers.drain(worker_id)


@call("journal.undo", Scope.OPERATE)
def undo(context: CallContext, entry_id: Id | None) -> UndoResult:
    name = context.caller.name
    return context.queue.journal.undo(entry_id, of=name if entry_id is None else None, actor=name)


@call("journal.redo", Scope.OPERATE)
def redo(context: CallContext, entry_id: Id | None) -> UndoResult:
    return context.queue.journal.redo(entry_id, of=context.caller.name if entry_id is None else None)
