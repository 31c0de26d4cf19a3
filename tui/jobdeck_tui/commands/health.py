"""`jobdeck health`."""

from __future__ import annotations

import sys

import click

from jobdeck import Overview

from ..text.format import age
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .json_documents import iso
from .output import count_of, print_json

_LATE = 60.0
"""Seconds a due job may stay unstaged before the queue counts as unhealthy."""

_SILENT = 12.0
"""Seconds without a heartbeat after which a worker counts as stalled: it sends one every five seconds, or more often."""

_STARTING = 5.0
"""Seconds a new worker has to start its threads."""


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
    with front.read() as queue:
        overview = queue.overview(seconds=60, slices=6)
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
    """Return the reasons why jobs are not being processed, one sentence each."""
    reasons = []
    alive = [worker for worker in overview.workers if worker.alive]
    # A new worker may not have started its threads yet.
    serving = [w for w in alive if not w.draining and (w.threads > 0 or overview.at - w.started_at < _STARTING)]
    for worker in overview.workers:
        if not worker.alive or worker.silent_for > _SILENT:
            silent = age(worker.silent_for)
            reasons.append(f"Worker {safe(worker.id)} has sent no heartbeat for {silent}; it holds {count_of(worker.running)}.")
            continue
        for each in worker.stalled:
            stalled = (
                f"The {safe(each.thread)} of worker {safe(worker.id)} has made no progress for {age(overview.at - each.since)}"
            )
            reasons.append(f"{stalled}: {safe(each.error)}" if each.error else f"{stalled}.")
    for queue in overview.queues:
        if queue.paused or not queue.pending:
            continue
        if not serving:
            reasons.append(f"No live worker; {count_of(queue.pending)} pending in queue {safe(queue.name)}.")
        elif not any(not worker.queues or queue.name in worker.queues for worker in serving):
            reasons.append(f"No live worker serves queue {safe(queue.name)}; {count_of(queue.pending)} pending.")
    if overview.next_due_at is not None and overview.at - overview.next_due_at > _LATE and not serving:
        reasons.append(f"No live worker; scheduled jobs have been due for {age(overview.at - overview.next_due_at)}.")
    return reasons
