"""`jobdeck workers`."""

from __future__ import annotations

import time

import click

from ..format import age
from .documents import worker_document
from .front import Front, Verb
from .output import columns, on_terminal, print_json
from .table import Column, cell, print_table


@click.command(
    "workers",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck workers
  jobdeck workers --json | jq 'select(.alive | not)'
""",
)
@click.pass_obj
def workers_command(front: Front) -> None:
    """List the worker processes: what they serve, how busy they are, when they were last heard of."""
    with front.open() as queue:
        workers = queue.workers()
    if front.json:
        for worker in workers:
            print_json(worker_document(worker))
        return
    if not workers:
        if on_terminal():
            click.echo("There are no workers; `jobdeck` or `jobdeck worker` starts one.")
        return
    heads = (
        Column("STATE"),
        Column("WORKER", least=16),
        Column("BUSY", right=True),
        Column("PROCS", right=True, drop=4),
        Column("QUEUES", least=10, drop=2),
        Column("UP", right=True, drop=3),
        Column("HEARD", right=True, drop=1),
    )
    now = time.time()
    rows = []
    for worker in workers:
        state, colour = (
            ("silent", "red") if not worker.alive else ("draining", "yellow") if worker.draining else ("alive", "green")
        )
        rows.append(
            [
                cell(state, colour),
                cell(worker.id),
                cell(f"{worker.running}/{worker.threads}"),
                cell(worker.processes or "-"),
                cell(", ".join(worker.queues) or "all"),
                cell(age(now - worker.started_at)),
                cell(age(now - worker.heartbeat_at)),
            ]
        )
    print_table(heads, rows, fit=columns())
