"""Calls on schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ...model.environment import restore_arguments
from ...model.jobs import Job
from ...model.schedules import Schedule, ScheduledRun
from ..tokens import Scope
from .call import CallContext, Limit, Options, call


class ScheduleOptions(Options):
    """The options of a schedule."""

    timezone: str | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    tags: list[str] | None = None


@call("schedules.list", Scope.READ)
def list_schedules(context: CallContext) -> Sequence[Schedule]:
    return context.queue.schedules.list()


@call("schedules.get", Scope.READ)
def get_schedule(context: CallContext, name: str) -> Schedule:
    return context.queue.schedules.get(name)


@call("schedules.history", Scope.READ)
def schedule_history(context: CallContext, name: str, limit: Limit) -> Sequence[ScheduledRun]:
    return context.queue.schedules.history(name, limit)


@call("schedules.preview", Scope.READ)
def preview(context: CallContext, cron: str, timezone: str, n: Annotated[int, Field(le=1000)]) -> Sequence[float]:
    return context.queue.schedules.preview(cron, timezone, n)


@call("schedules.new_schedule", Scope.OPERATE)
def new_schedule(
    context: CallContext, name: str, cron: str, kind: str, args: dict[str, Any] | None, options: ScheduleOptions
) -> Schedule:
    context.allow_kind(kind)
    return context.queue.schedules.new_schedule(name, cron, kind, args, **options.given())


@call("schedules.add", Scope.OPERATE)
def add_schedule(
    context: CallContext,
    name: str,
    cron: str,
    kind: str,
    args: dict[str, Any] | None,
    replace: bool,
    options: ScheduleOptions,
) -> Schedule:
    context.allow_kind(kind)
    return context.queue.schedules.add(name, cron, kind, args, replace=replace, actor=context.caller.name, **options.given())


@call("schedules.edit", Scope.OPERATE)
def edit_schedule(
    context: CallContext,
    name: str,
    cron: str | None,
    kind: str | None,
    args: dict[str, Any] | None,
    options: ScheduleOptions,
) -> Schedule:
    schedules = context.queue.schedules
    with context.queue.transaction():
        if kind is not None or args is not None:
            before = schedules.get(name)
            context.allow_kind(before.kind)
            context.allow_kind(kind or before.kind)
            if args is not None:
                args = restore_arguments(args, before.args)  # masks that were read stand for the secrets
        return schedules.edit(name, cron=cron, kind=kind, args=args, actor=context.caller.name, **options.given())


@call("schedules.pause", Scope.OPERATE)
def pause_schedule(context: CallContext, name: str) -> bool:
    return context.queue.schedules.pause(name, actor=context.caller.name)


@call("schedules.resume", Scope.OPERATE)
def resume_schedule(context: CallContext, name: str) -> bool:
    return context.queue.schedules.resume(name, actor=context.caller.name)


@call("schedules.run", Scope.OPERATE)
def run_schedule(context: CallContext, name: str) -> Job:
    return context.queue.schedules.run(name)


@call("schedules.delete", Scope.OPERATE)
def delete_schedule(context: CallContext, name: str) -> None:
    context.queue.schedules.delete(name, actor=context.caller.name)
