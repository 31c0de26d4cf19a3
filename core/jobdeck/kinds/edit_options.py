"""Validate an edit of a queued job: new arguments and options, with the rules for new jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ..clock import Clock
from ..model.errors import InvalidPayload
from ..model.jobs import Job, JobEdit
from ..settings import Settings
from .command_name import given_name
from .job_options import check_arguments, check_attempts, check_name, check_priority, check_tags, kind_with_name, resolve_time
from .registry import Entry


class EditOptions(TypedDict, total=False):
    """The options of a queued job that an edit can change. Missing options and `None` leave them unchanged."""

    name: str | None
    """The new name of a command. Without it, a command that has its program's name is renamed with its program."""
    queue: str | None
    """The new queue."""
    priority: int | None
    """The new priority; larger runs first."""
    delay: float | None
    """Seconds from now until it is due; 0 makes it due immediately."""
    at: float | None
    """The new due time in seconds since 1970 UTC; cannot be combined with `delay`."""
    max_attempts: int | None
    """Maximum number of attempts, including those already started."""
    tags: Sequence[str] | None
    """The new tags, which replace all old ones; empty removes them."""


def check_edit(
    job: Job, entry: Entry | None, args: Mapping[str, Any] | None, options: EditOptions, settings: Settings, clock: Clock
) -> JobEdit:
    """Validate an edit.

    Args:
        job: the job, as it is.
        entry: the kind of the job; may be `None` if the arguments and the name stay unchanged.
        args: all new arguments by name; `None` leaves them unchanged.
        options: the options to change.
        settings: the source of the size limit for arguments.
        clock: the source of the time from which a `delay` counts.

    Raises:
        InvalidArguments: an argument does not fit the handler's signature.
        ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
        InvalidOption: an option is out of range.
    """
    unknown = options.keys() - EditOptions.__annotations__.keys()
    if unknown:
        raise TypeError(
            f"unknown edit options: {', '.join(sorted(unknown))}; options are {', '.join(EditOptions.__annotations__)}"
        )
    queue, priority = options.get("queue"), options.get("priority")
    attempts, tags = options.get("max_attempts"), options.get("tags")
    kind = None if entry is None else _edited_kind(job, entry, args, options.get("name"))
    return JobEdit(
        kind=None if kind == job.kind else kind,
        args_json=None if args is None or entry is None else check_arguments(entry, args, settings),
        queue=None if queue is None else check_name(queue),
        priority=None if priority is None else check_priority(priority),
        max_attempts=None if attempts is None else check_attempts(attempts),
        scheduled_at=resolve_time(options.get("delay"), options.get("at"), "delay", clock.now()),
        tags=None if tags is None else check_tags(tags),
    )


def _edited_kind(job: Job, entry: Entry, args: Mapping[str, Any] | None, name: str | None) -> str:
    """Return the kind of the edited job: a command keeps a name that a person gave it."""
    if name is not None:
        return kind_with_name(entry, {}, {"name": name})
    if args is None or given_name(job.kind, _readable(job)) is not None:
        return job.kind
    return kind_with_name(entry, args, {})


def _readable(job: Job) -> Mapping[str, Any]:
    try:
        return job.args
    except InvalidPayload:
        return {}
