"""`jobdeck batch`."""

from __future__ import annotations

import time

import click

from jobdeck import Batch, Queue, State

from ..text.sanitize import safe
from .common import CliContext, Subcommand, print_error
from .json_documents import batch_document
from .output import colored, count_of, dim, print_fields, print_json, state_text, warn_if_no_worker
from .param_types import BATCH_ID, DURATION
from .progress import ProgressMeter
from .show import format_time

_EVERY = 0.1
"""Seconds between two polls."""


@click.command(
    "batch",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck batch 3
  jobdeck batch 3 --wait --timeout 1h && echo all done
  id=$(jobdeck enqueue --file jobs.jsonl --batch nightly); jobdeck batch "$id" --wait
  jobdeck batch 3 --json | jq .counts.failed
""",
)
@click.argument("batch_id", metavar="ID", type=BATCH_ID)
@click.option("--wait", is_flag=True, help="Wait until every job has finished, showing progress.")
@click.option(
    "--timeout", type=DURATION, metavar="DURATION", help="Stop waiting after this time: 90s, 10m (default: no limit)."
)
@click.pass_obj
def batch_command(front: CliContext, batch_id: int, wait: bool, timeout: float | None) -> int:
    """Show the progress of a batch, made by `jobdeck enqueue --file … --batch NAME`.

    Exits 0 if all jobs have finished and none failed or was cancelled, otherwise 1.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout requires --wait")
    with front.read() as queue:
        try:
            batch = _wait_for(queue, batch_id, timeout) if wait else queue.batches.get(batch_id)
        except KeyboardInterrupt:
            print_error(f"Batch {batch_id} continues.")
            return 130
        if front.json:
            print_json(batch_document(batch))
        else:
            _print(batch, queue.clock.now())
    return 0 if batch.succeeded else 1


def _wait_for(queue: Queue, batch_id: int, timeout: float | None) -> Batch:
    end = None if timeout is None else time.monotonic() + timeout
    if not queue.batches.get(batch_id).finished:
        warn_if_no_worker(queue, f"Batch {batch_id}")
    with ProgressMeter(f"Batch {batch_id}:", unit=" jobs finished") as meter:
        while True:
            batch = queue.batches.get(batch_id)
            meter(batch.total - batch.open, batch.total)
            if batch.finished or (end is not None and time.monotonic() >= end):
                return batch
            time.sleep(_EVERY)


def _print(batch: Batch, now: float) -> None:
    name = f"  {safe(batch.name)}" if batch.name else ""
    click.echo(f"Batch {batch.id}{name}  {_verdict(batch)}")
    click.echo()
    fields = [("jobs", f"{batch.total:,}"), ("enqueued", format_time(batch.created_at, now))]
    shown = [state for state in State if batch.counts.get(state)]
    print_fields(fields + [(state_text(state), colored(f"{batch.counts[state]:,}", state)) for state in shown])
    if missing := batch.total - sum(batch.counts.values()):
        click.echo(dim(f"{count_of(missing)} deleted or pruned."))


def _verdict(batch: Batch) -> str:
    bad = [f"{batch.counts[state]:,} {state}" for state in (State.FAILED, State.CANCELLED) if batch.counts.get(state)]
    if batch.succeeded:
        return click.style("succeeded", fg="green")
    if batch.finished:
        return click.style(f"finished, {' and '.join(bad)}", fg="red")
    so_far = click.style(f", {' and '.join(bad)} so far", fg="red") if bad else ""
    return f"{batch.total - batch.open:,} of {batch.total:,} finished{so_far}"
