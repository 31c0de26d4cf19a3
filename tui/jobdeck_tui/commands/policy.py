"""The options of a new job: queue, priority, when, how often, how long. Shared by `enqueue` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from .complete import complete_queues
from .moments import DURATION, MOMENT

F = TypeVar("F", bound=Callable[..., Any])


def job_options(function: F) -> F:
    """Add the options of a new job."""
    for option in reversed(
        (
            click.option(
                "--queue", metavar="NAME", shell_complete=complete_queues, help="The queue; the kind's own if not given."
            ),
            click.option("--priority", type=int, metavar="N", help="Larger runs first."),
            click.option("--in", "delay", type=DURATION, metavar="DURATION", help="Due after this time: 90s, 10m, 2h, 1d."),
            click.option(
                "--at", type=MOMENT, metavar="TIME", help="Due at this time: 18:30, 2026-01-31T09:00 (local), …Z (UTC)."
            ),
            click.option(
                "--max-attempts",
                type=int,
                metavar="N",
                help="How often it may start; else the kind's.  [env: JOBDECK_MAX_ATTEMPTS]",
            ),
            click.option(
                "--timeout", type=DURATION, metavar="DURATION", help="How long one attempt may take.  [env: JOBDECK_TIMEOUT]"
            ),
            click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word to find it by; may be repeated."),
        )
    ):
        function = option(function)
    return function


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that were given, as `Queue.draft` takes them."""
    return {name: value for name, value in options.items() if value is not None and value != ()}
