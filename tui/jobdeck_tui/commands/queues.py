"""`jobdeck pause` and `resume`."""

from __future__ import annotations

import click

from ..text import safe
from .complete import complete_queues
from .front import Front, Verb
from .output import print_json


@click.command(
    "pause",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck pause mail
""",
)
@click.argument("queue_name", metavar="QUEUE", shell_complete=complete_queues)
@click.pass_obj
def pause_command(front: Front, queue_name: str) -> None:
    """Start nothing more from a queue. Running jobs go on; jobs can still be enqueued."""
    with front.open(changes=True) as queue:
        changed = queue.pause(queue_name)
    _tell(front, queue_name, changed, paused=True)


@click.command(
    "resume",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck resume mail
""",
)
@click.argument("queue_name", metavar="QUEUE", shell_complete=complete_queues)
@click.pass_obj
def resume_command(front: Front, queue_name: str) -> None:
    """Start jobs from a queue again."""
    with front.open(changes=True) as queue:
        changed = queue.resume(queue_name)
    _tell(front, queue_name, changed, paused=False)


def _tell(front: Front, name: str, changed: bool, *, paused: bool) -> None:
    if front.json:
        print_json({"queue": name, "paused": paused, "changed": changed})
    elif changed:
        click.echo(f"Queue {safe(name)} is {'paused' if paused else 'running again'}.")
    else:
        click.echo(f"Queue {safe(name)} was {'paused already' if paused else 'not paused'}.")
