"""A change of a job that is still queued: its arguments and options, checked as those of a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ..clock import Clock
from ..model.jobs import Edit
from ..settings import Settings
from .job_options import check_attempts, check_name, check_priority, check_tags, moment
from .registry import Entry


class Edits(TypedDict, total=False):
    """What can be changed of a queued job besides its arguments. What is not given, or `None`, stays."""

    queue: str | None
    """Another queue."""
    priority: int | None
    """Larger runs first."""
    delay: float | None
    """Seconds from now until it is due; 0 makes it due now."""
    at: float | None
    """Seconds since 1970 UTC when it is due; `delay` and `at` exclude each other."""
    max_attempts: int | None
    """How often it may start, the attempts that it has begun included."""
    tags: Sequence[str] | None
    """All of its tags; none at all when empty."""


def check_edit(entry: Entry | None, args: Mapping[str, Any] | None, options: Edits, settings: Settings, clock: Clock) -> Edit:
    """Check a change.

    Args:
        entry: the job's kind; may be `None` where the arguments stay.
        args: all of its new arguments by name; `None` leaves them.
        options: what else is changed.
        settings: how large arguments may be.
        clock: from when a `delay` counts.

    Raises:
        InvalidArguments: an argument does not fit the handler's signature.
        ArgumentsTooLarge: the arguments exceed JOBDECK_MAX_ARGS_BYTES.
        InvalidOption: an option is out of range.
    """
    unknown = options.keys() - Edits.__annotations__.keys()
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))} of a job cannot be edited; {', '.join(Edits.__annotations__)} can")
    queue, priority = options.get("queue"), options.get("priority")
    attempts, tags = options.get("max_attempts"), options.get("tags")
    return Edit(
        args_json=None if args is None or entry is None else entry.check(args, settings.max_args_bytes),
        queue=None if queue is None else check_name(queue),
        priority=None if priority is None else check_priority(priority),
        max_attempts=None if attempts is None else check_attempts(attempts),
        scheduled_at=moment(options.get("delay"), options.get("at"), "delay", clock.now()),
        tags=None if tags is None else check_tags(tags),
    )
