"""`jobdeck workers`."""

from __future__ import annotations

import click

from ..text.format import age, share_text
from ..text.sanitize import safe
from ..text.worker_slots import busy_jobs
from .common import CliContext, Subcommand
from .json_documents import running_document, worker_document
from .output import columns, on_terminal, print_json
from .table import OutputColumn, cell, print_table


@click.command(
    "workers",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck workers
  jobdeck workers --json | jq 'select(.alive | not)'
""",
)
@click.pass_obj
def workers_command(front: CliContext) -> None:
    """List worker processes with their load, queues and last heartbeat.

    --json adds the jobs that each one runs. `jobdeck list state:running` also lists the jobs of dead workers.
    """
    with front.read() as queue:
        overview = queue.overview(seconds=60, slices=1)
    workers, now = overview.workers, overview.at
    if front.json:
        for worker in workers:
            jobs = [running_document(job) for job in overview.running if job.worker == worker.id]
            print_json(worker_document(worker) | {"jobs": jobs})
        return
    if not workers:
        if on_terminal():
            click.echo("No workers; `jobdeck` or `jobdeck worker` starts one.")
        return
    heads = (
        OutputColumn("STATE"),
        OutputColumn("WORKER", least=16),
        OutputColumn("BUSY", right=True),
        OutputColumn("PROCS", right=True, drop=4),
        OutputColumn("QUEUES", least=10, drop=2),
        OutputColumn("UP", right=True, drop=3),
        OutputColumn("HEARTBEAT", right=True, drop=1),
    )
    rows = []
    for worker in workers:
        state, color = (
            ("silent", "red")
            if not worker.alive
            else ("stalled", "red")
            if worker.stalled
            else ("draining", "yellow")
            if worker.draining
            else ("alive", "green")
        )
        rows.append(
            [
                cell(state, color),
                cell(worker.id),
                cell(share_text(busy_jobs(worker, overview), worker.threads)),
                cell(worker.processes or "-"),
                cell(", ".join(worker.queues) or "all"),
                cell(age(now - worker.started_at)),
                cell(age(now - worker.heartbeat_at)),
            ]
        )
    print_table(heads, rows, fit=columns())
    for worker in workers:
        for stalled in worker.stalled if worker.alive else ():
            what = f"its {safe(stalled.thread)} has made no progress for {age(now - stalled.since)}"
            click.echo(f"{click.style('stalled', fg='red')}  {safe(worker.id)}: {what}")
        for each in worker.stopping if worker.stuck and worker.alive else ():
            what = f"job {each.job_id} {safe(each.kind)}, asked to stop {age(now - each.since)} ago ({each.reason})"
            click.echo(f"{click.style('stuck', fg='red')}  {safe(worker.id)}: {what}")
