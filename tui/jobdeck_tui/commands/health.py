"""`jobdeck health`."""

from __future__ import annotations

import sys

import click

from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .output import count_of, print_json


@click.command(
    "health",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck health
  jobdeck health --json | jq .reasons
""",
)
@click.pass_obj
def health_command(front: CliContext) -> int:
    """Check that jobs are being processed. Exits 0 if healthy, 1 with the reasons if not.

    The queue is unhealthy if jobs are due and no live worker serves them, if a worker has stopped sending
    heartbeats or makes no progress, or if the database is unusable. Paused queues do not count.
    """
    from jobdeck import health_document, unhealthy_reasons

    with front.read() as queue:
        overview = queue.overview(seconds=60, slices=6)
    reasons = unhealthy_reasons(overview)
    if front.json:
        print_json(health_document(overview))
    elif reasons:
        for reason in reasons:
            click.echo(safe(reason), file=sys.stdout)
    else:
        alive = sum(worker.alive for worker in overview.workers)
        click.echo(f"Healthy: {count_of(alive, 'worker')}, {count_of(sum(each.pending for each in overview.queues))} pending.")
    return 1 if reasons else 0
