"""The options of a new job, shared by `enqueue` and `run`: queue, priority, time, attempts, uniqueness, order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from jobdeck import FINAL, IfParentFails, OnConflict

from .completers import complete_finals, complete_jobs, complete_queues
from .param_types import DURATION, JOB_ID, MOMENT

F = TypeVar("F", bound=Callable[..., Any])


class FinalStatesType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept comma-separated final states."""

    name = "states"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        states = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)
        if not states or not {*states} <= {*FINAL}:
            self.fail(f"{value!r} must list final states: {', '.join(sorted(FINAL))}", param, ctx)
        return states


class BackoffType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Accept two comma-separated durations, the maximum first delay and the maximum delay; the value is in seconds."""

    name = "back-off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return read_backoff(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


def read_backoff(text: str) -> tuple[float, ...]:
    """Return `2s,10m` in seconds. Raises `ValueError` if the text is not two durations."""
    from jobdeck import parse_duration

    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text!r} is not two durations such as 2s,10m: the longest first delay, and the longest of all")
    return tuple(map(parse_duration, parts))


_OPTIONS = (
    click.option("--name", metavar="NAME", help="Name of a command, for filters and metrics (default: its program's)."),
    click.option("--queue", metavar="NAME", shell_complete=complete_queues, help="Queue of the job (default: the kind's)."),
    click.option(
        "--priority", type=int, metavar="N", help="Priority, -1000000 to 1000000; larger runs first (default: the kind's)."
    ),
    click.option("--in", "delay", type=DURATION, metavar="DURATION", help="Run after this delay: 90s, 10m, 2h, 1d."),
    click.option("--at", type=MOMENT, metavar="TIME", help="Run at this time: 18:30, 2026-01-31T09:00 (local), …Z (UTC)."),
    click.option(
        "--expires",
        type=DURATION,
        metavar="DURATION",
        help="Fail as expired if not started within this time: 30s, 1h.",
    ),
    click.option(
        "--max-attempts",
        type=int,
        metavar="N",
        help="Maximum number of attempts, 1 to 1000 (default: the kind's, 3 for a command, or 5).  [env: JOBDECK_MAX_ATTEMPTS]",
    ),
    click.option(
        "--backoff",
        type=BackoffType(),
        metavar="FIRST,CAP",
        help="Longest first retry delay and longest of all, such as 2s,10m (default: the kind's).",
    ),
    click.option(
        "--timeout",
        type=DURATION,
        metavar="DURATION",
        help="Time limit per attempt: 90s, 10m; 0 for none (default: the kind's).  [env: JOBDECK_TIMEOUT]",
    ),
    click.option("--tag", "tags", multiple=True, metavar="WORD", help="Tag the job for filters; repeatable."),
    click.option("--unique", metavar="KEY", help="Enqueue only if no unfinished job has this key."),
    click.option(
        "--unique-until",
        type=FinalStatesType(),
        metavar="STATE,…",
        shell_complete=complete_finals,
        help="Keep the key reserved in these final states too: completed, failed, cancelled.",
    ),
    click.option(
        "--on-conflict",
        type=click.Choice([*map(str, OnConflict)]),
        help="If the key is taken: return the existing job (default), replace its arguments, priority and time, or refuse.",
    ),
    click.option(
        "--after",
        multiple=True,
        type=JOB_ID,
        metavar="ID",
        shell_complete=complete_jobs("pending", "running", "scheduled", "retrying", "waiting"),
        help="Run only after this job has completed; repeatable.",
    ),
    click.option(
        "--if-parent-fails",
        type=click.Choice([*map(str, IfParentFails)]),
        help="If an --after job fails or is cancelled: cancel this job (default), run it anyway, or wait for a retry.",
    ),
)


def job_options(function: F) -> F:
    """Add the options of a new job."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given_options(options: Mapping[str, Any], *, many: bool = False) -> dict[str, Any]:
    """Return the options that were given, as `Queue.new_job` takes them.

    Args:
        options: all options, `None` or empty if not given.
        many: the options are defaults for many jobs.

    Raises:
        UsageError: an option requires another one that was not given, or cannot apply to many jobs.
    """
    found = {name: value for name, value in options.items() if value is not None and value != ()}
    if many:
        if "unique" in found:
            raise click.UsageError("--unique applies to one job; set `unique` on each line of --file instead")
        return found
    for name, partner in (("unique_until", "unique"), ("on_conflict", "unique"), ("if_parent_fails", "after")):
        if name in found and partner not in found:
            raise click.UsageError(f"--{name.replace('_', '-')} requires --{partner}")
    return found
