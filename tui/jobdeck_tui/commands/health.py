"""`jobdeck health`."""

from __future__ import annotations

import sys

import click

from jobdeck import Overview

from ..text.format import age
from ..text.sanitize import safe
from .common import Front, Verb
from .json_documents import iso
from .output import count_of, print_json

_LATE = 60.0
"""Seconds that a due job may stay unstaged before something is wrong."""

_STARTING = 5.0
"""Seconds that a worker gets to start its threads."""


@click.command(
    "health",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck health
  jobdeck health --json | jq .reasons
""",
)
@click.pass_obj
def health_command(front: Front) -> int:
    """Say whether jobs are being worked off. Exits with 0 if all is well, with 1 and the reasons if not.

    Reasons are jobs that no live worker serves, workers that have fallen silent, and a database that
    cannot be used. Paused queues are not a reason.
    """
    with front.open(must_exist=True) as queue:
        overview = queue.overview(seconds=60, slots=6)
    reasons = unhealthy(overview)
    if front.json:
        print_json(
            {
                "healthy": not reasons,
                "reasons": reasons,
                "at": iso(overview.at),
                "workers": sum(worker.alive for worker in overview.workers),
                "stale_workers": sum(not worker.alive for worker in overview.workers),
                "pending": sum(each.pending for each in overview.queues),
                "running": len(overview.running),
            }
        )
    elif reasons:
        for reason in reasons:
            click.echo(reason, file=sys.stdout)
    else:
        alive = sum(worker.alive for worker in overview.workers)
        click.echo(f"Healthy: {count_of(alive, 'worker')}, {count_of(sum(each.pending for each in overview.queues))} pending.")
    return 1 if reasons else 0


def unhealthy(overview: Overview) -> list[str]:
    """Why jobs are not being worked off as they should be, one sentence each."""
    reasons = []
    alive = [worker for worker in overview.workers if worker.alive]
    # A worker that has just started may not have its threads yet.
    serving = [w for w in alive if not w.draining and (w.threads > 0 or overview.at - w.started_at < _STARTING)]
    for worker in overview.workers:
        if not worker.alive:
            silent = age(overview.at - worker.heartbeat_at)
            reasons.append(f"Worker {safe(worker.id)} has been silent for {silent}, holding {count_of(worker.running)}.")
    for queue in overview.queues:
        if queue.paused or not queue.pending:
            continue
        if not serving:
            reasons.append(f"No worker is alive, and {count_of(queue.pending)} pending in queue {safe(queue.name)}.")
        elif not any(not worker.queues or queue.name in worker.queues for worker in serving):
            reasons.append(f"No live worker serves queue {safe(queue.name)}, and {count_of(queue.pending)} pending in it.")
    if overview.next_due_at is not None and overview.at - overview.next_due_at > _LATE and not serving:
        reasons.append(f"No worker is alive, and scheduled jobs have been due for {age(overview.at - overview.next_due_at)}.")
    return reasons
