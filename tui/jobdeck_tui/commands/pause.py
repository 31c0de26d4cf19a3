"""`jobdeck pause` and `resume`, for one queue or all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobdeck import Queue

from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_queues
from .known_queues import queue_is_new, warn_if_new
from .output import count_of, print_json

F = TypeVar("F", bound=Callable[..., Any])


def _queue_selection(function: F) -> F:
    """Add the arguments that select one queue or all."""
    for option in (
        click.option(
            "--all", "every", is_flag=True, help="Select every existing queue; queues created later are not affected."
        ),
        click.argument("queue_name", metavar="[QUEUE]", required=False, shell_complete=complete_queues),
    ):
        function = option(function)
    return function


@click.command(
    "pause",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck pause mail
  jobdeck pause --all              `jobdeck undo` resumes only the queues that this paused
""",
)
@_queue_selection
@click.pass_obj
def pause_command(front: CliContext, queue_name: str | None, every: bool) -> None:
    """Pause a queue, or all of them: start no more of their jobs.

    Running jobs continue, and jobs can still be enqueued. A queue may be paused before its first job.
    """
    _set_paused(front, queue_name, every=every, paused=True)


@click.command(
    "resume",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck resume mail
  jobdeck resume --all             resume every paused queue
""",
)
@_queue_selection
@click.pass_obj
def resume_command(front: CliContext, queue_name: str | None, every: bool) -> None:
    """Resume a paused queue, or all of them."""
    _set_paused(front, queue_name, every=every, paused=False)


def _set_paused(front: CliContext, name: str | None, *, every: bool, paused: bool) -> None:
    if every == (name is not None):
        raise click.UsageError("give either a QUEUE or --all")
    with front.open(must_exist=every, changes=True) as queue:
        if name is None:
            _set_all_paused(front, queue, paused=paused)
        else:
            new = queue_is_new(queue, name)
            _print(front, name, queue.pause(name) if paused else queue.resume(name), paused=paused)
            warn_if_new(new)


def _set_all_paused(front: CliContext, queue: Queue, *, paused: bool) -> None:
    changed = set(queue.pause_all() if paused else queue.resume_all())
    names = sorted(changed.union(each.name for each in queue.queues()))  # one without jobs is listed only while it is paused
    if front.json:
        for name in names:
            _print(front, name, name in changed, paused=paused)
        return
    result = f"{'Paused' if paused else 'Resumed'} {count_of(len(changed), 'queue')}"
    rest = len(names) - len(changed)
    unchanged = f"{'was' if rest == 1 else 'were'} {'already' if paused else 'not'} paused"
    click.echo(f"{result}; {rest:,} {unchanged}." if rest else f"{result}.")


def _print(front: CliContext, name: str, changed: bool, *, paused: bool) -> None:
    if front.json:
        print_json({"queue": name, "paused": paused, "changed": changed})
    elif changed:
        click.echo(f"Queue {safe(name)} {'paused' if paused else 'resumed'}.")
    else:
        click.echo(f"Queue {safe(name)} was {'already' if paused else 'not'} paused.")
