"""`jobdeck pause` and `resume`, of one queue or of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobdeck import Queue

from ..text.sanitize import safe
from .common import Front, Verb
from .completers import complete_queues
from .output import count_of, print_json

F = TypeVar("F", bound=Callable[..., Any])


def _which(function: F) -> F:
    """Name a queue, or say --all."""
    for option in (
        click.option("--all", "every", is_flag=True, help="Every queue that there is now; a new one later is not paused."),
        click.argument("queue_name", metavar="[QUEUE]", required=False, shell_complete=complete_queues),
    ):
        function = option(function)
    return function


@click.command(
    "pause",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck pause mail
  jobdeck pause --all              one act: `jobdeck undo` lets go on what was not paused before
""",
)
@_which
@click.pass_obj
def pause_command(front: Front, queue_name: str | None, every: bool) -> None:
    """Start nothing more from a queue, or from any. Running jobs go on; jobs can still be enqueued."""
    _turn(front, queue_name, every=every, paused=True)


@click.command(
    "resume",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck resume mail
  jobdeck resume --all             every queue that is paused
""",
)
@_which
@click.pass_obj
def resume_command(front: Front, queue_name: str | None, every: bool) -> None:
    """Start jobs from a queue again, or from every paused one."""
    _turn(front, queue_name, every=every, paused=False)


def _turn(front: Front, name: str | None, *, every: bool, paused: bool) -> None:
    if every == (name is not None):
        raise click.UsageError("name a QUEUE, or all of them with --all; one of the two")
    with front.open(must_exist=every, changes=True) as queue:
        if name is None:
            _turn_all(front, queue, paused=paused)
        else:
            _tell(front, name, queue.pause(name) if paused else queue.resume(name), paused=paused)


def _turn_all(front: Front, queue: Queue, *, paused: bool) -> None:
    with queue.transaction():
        changed = set(queue.pause_all() if paused else queue.resume_all())
        names = sorted(changed.union(each.name for each in queue.queues()))  # one without jobs is only known while it is paused
    if front.json:
        for name in names:
            _tell(front, name, name in changed, paused=paused)
        return
    did = f"{'Paused' if paused else 'Resumed'} {count_of(len(changed), 'queue')}"
    rest = len(names) - len(changed)
    before = f"{'was' if rest == 1 else 'were'} {'paused already' if paused else 'not paused'}"
    click.echo(f"{did}; {rest:,} {before}." if rest else f"{did}.")


def _tell(front: Front, name: str, changed: bool, *, paused: bool) -> None:
    if front.json:
        print_json({"queue": name, "paused": paused, "changed": changed})
    elif changed:
        click.echo(f"Queue {safe(name)} is {'paused' if paused else 'running again'}.")
    else:
        click.echo(f"Queue {safe(name)} was {'paused already' if paused else 'not paused'}.")
