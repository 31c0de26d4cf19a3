"""Decide from an overview whether jobs are being processed. Pure; `jobdeck health`, workers and the API report the same."""

from __future__ import annotations

from datetime import UTC, datetime

from .diagnosis import span
from .overview import Overview

_LATE = 60.0
"""Seconds a due job may stay unstaged before the queue counts as unhealthy."""

_SILENT = 12.0
"""Seconds without a heartbeat after which a worker counts as stalled: it sends one every five seconds, or more often."""

_STARTING = 5.0
"""Seconds a new worker has to start its threads."""


def unhealthy_reasons(overview: Overview) -> list[str]:
    """Return the reasons why jobs are not being processed, one sentence each; empty if they are. The text is not sanitized."""
    reasons = []
    alive = [worker for worker in overview.workers if worker.alive]
    # A new worker may not have started its threads yet.
    serving = [w for w in alive if not w.draining and (w.threads > 0 or overview.at - w.started_at < _STARTING)]
    for worker in overview.workers:
        if not worker.alive or worker.silent_for > _SILENT:
            silent = span(worker.silent_for)
            reasons.append(f"Worker {worker.id} has sent no heartbeat for {silent}; it holds {_jobs(worker.running)}.")
            continue
        for each in worker.stalled:
            stalled = f"The {each.thread} of worker {worker.id} has made no progress for {span(overview.at - each.since)}"
            reasons.append(f"{stalled}: {each.error}" if each.error else f"{stalled}.")
    for queue in overview.queues:
        if queue.paused or not queue.pending:
            continue
        if not serving:
            reasons.append(f"No live worker; {_jobs(queue.pending)} pending in queue {queue.name}.")
        elif not any(not worker.queues or queue.name in worker.queues for worker in serving):
            reasons.append(f"No live worker serves queue {queue.name}; {_jobs(queue.pending)} pending.")
    if overview.next_due_at is not None and overview.at - overview.next_due_at > _LATE and not serving:
        reasons.append(f"No live worker; scheduled jobs have been due for {span(overview.at - overview.next_due_at)}.")
    return reasons


def health_document(overview: Overview) -> dict[str, object]:
    """Return what `jobdeck health --json` prints: whether jobs are being processed, the reasons if not, and the numbers."""
    reasons = unhealthy_reasons(overview)
    return {
        "healthy": not reasons,
        "reasons": reasons,
        "at": datetime.fromtimestamp(overview.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "workers": sum(worker.alive for worker in overview.workers),
        "stale_workers": sum(not worker.alive for worker in overview.workers),
        "pending": sum(each.pending for each in overview.queues),
        "running": len(overview.running),
    }


def _jobs(n: int) -> str:
    return f"{n:,} job{'' if n == 1 else 's'}"
