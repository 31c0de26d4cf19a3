"""The options of a new job: queue, priority, when, how often, beside and after which others. Of `enqueue` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from jobdeck import FINAL, IfParentFails, OnConflict

from .completers import complete_finals, complete_jobs, complete_queues
from .param_types import DURATION, MOMENT

F = TypeVar("F", bound=Callable[..., Any])


class FinalStatesType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Final states, comma-separated."""

    name = "states"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        states = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)
        if not states or not {*states} <= {*FINAL}:
            self.fail(f"{value!r} is not among the final states {', '.join(sorted(FINAL))}", param, ctx)
        return states


class BackoffType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The longest first pause and the longest of all: two durations with a comma between them; its value is in seconds."""

    name = "back-off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return read_backoff(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


def read_backoff(text: str) -> tuple[float, ...]:
    """`2s,10m` in seconds. Raises `ValueError` if it is not two durations."""
    from jobdeck import parse_duration

    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text!r} is not two durations such as 2s,10m: the longest first pause, and the longest of all")
    return tuple(map(parse_duration, parts))


_OPTIONS = (
    click.option("--queue", metavar="NAME", shell_complete=complete_queues, help="The queue; the kind's own if not given."),
    click.option("--priority", type=int, metavar="N", help="Larger runs first."),
    click.option("--in", "delay", type=DURATION, metavar="DURATION", help="Due after this time: 90s, 10m, 2h, 1d."),
    click.option("--at", type=MOMENT, metavar="TIME", help="Due at this time: 18:30, 2026-01-31T09:00 (local), …Z (UTC)."),
    click.option(
        "--expires",
        type=DURATION,
        metavar="DURATION",
        help="Not worth starting later than this from now; it then fails as expired.",
    ),
    click.option(
        "--max-attempts",
        type=int,
        metavar="N",
        help="How often it may start; else the kind's.  [env: JOBDECK_MAX_ATTEMPTS]",
    ),
    click.option(
        "--backoff",
        type=BackoffType(),
        metavar="FIRST,CAP",
        help="The longest first pause before a retry, and the longest of all: 2s,10m; else the kind's.",
    ),
    click.option("--timeout", type=DURATION, metavar="DURATION", help="How long one attempt may take.  [env: JOBDECK_TIMEOUT]"),
    click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word to find it by; may be repeated."),
    click.option("--unique", metavar="KEY", help="Enqueue only if no other job that is not done has this key."),
    click.option(
        "--unique-until",
        type=FinalStatesType(),
        metavar="STATE,…",
        shell_complete=complete_finals,
        help="Keep the key in these states too: completed, failed, cancelled.",
    ),
    click.option(
        "--on-conflict",
        type=click.Choice([*map(str, OnConflict)]),
        help="If the key is taken: return the other job, replace its arguments, priority and time, or refuse.",
    ),
    click.option(
        "--after",
        multiple=True,
        type=int,
        metavar="ID",
        shell_complete=complete_jobs("pending", "running", "scheduled", "retrying", "waiting"),
        help="Only once this job has completed; may be repeated.",
    ),
    click.option(
        "--if-parent-fails",
        type=click.Choice([*map(str, IfParentFails)]),
        help="If one of those fails or is cancelled: cancel this one (usual), run it all the same, or wait for a retry.",
    ),
)


def job_options(function: F) -> F:
    """Add the options of a new job."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given(options: Mapping[str, Any], *, many: bool = False) -> dict[str, Any]:
    """Those options that were given, as `Queue.draft` takes them.

    Args:
        options: all of them.
        many: they are for many jobs, each of which may bring its own.

    Raises:
        UsageError: an option goes with another one that was not given, or cannot be for many jobs.
    """
    found = {name: value for name, value in options.items() if value is not None and value != ()}
    if many:
        if "unique" in found:
            raise click.UsageError("--unique is of one job; give each line of the --file a `unique` of its own")
        return found
    for name, partner in (("unique_until", "unique"), ("on_conflict", "unique"), ("if_parent_fails", "after")):
        if name in found and partner not in found:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --{partner}")
    return found
