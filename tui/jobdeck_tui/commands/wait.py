"""`jobdeck wait`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from jobdeck import FINAL, Job, JobNotFound, State

from ..text.format import duration
from ..text.sanitize import safe
from .common import CliContext, Subcommand, print_error
from .completers import complete_jobs
from .json_documents import elapsed_seconds, full_document
from .output import colored, print_json, state_text, warn_if_no_worker
from .param_types import DURATION, JOB_ID

_EVERY = 0.05


@click.command(
    "wait",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck wait 42
  jobdeck wait 42 43 44 --timeout 5m && echo all done
  id=$(jobdeck run -- make test); jobdeck wait "$id" && echo passed
""",
)
@click.argument(
    "ids",
    metavar="ID...",
    nargs=-1,
    required=True,
    type=JOB_ID,
    shell_complete=complete_jobs("running", "pending"),
)
@click.option(
    "--timeout", type=DURATION, metavar="DURATION", help="Stop waiting after this time: 90s, 10m (default: no limit)."
)
@click.pass_obj
def wait_command(front: CliContext, ids: Sequence[int], timeout: float | None) -> int:
    """Wait until jobs finish. Exits 0 if all completed, otherwise 1.

    Prints each job as it finishes, with --json in the format of `jobdeck list --json`.
    """
    end = None if timeout is None else time.monotonic() + timeout
    remaining = [*dict.fromkeys(ids)]
    completed, warned = True, False
    with front.read() as queue:
        while True:
            found = {job.id: job for job in queue.get_many(remaining)}
            for job_id in remaining:
                if job_id not in found:
                    raise JobNotFound(job_id)
            ended = sorted((job for job in found.values() if job.state in FINAL), key=lambda job: job.finished_at or 0.0)
            for job in ended:
                remaining.remove(job.id)
                completed &= job.state is State.COMPLETED
                if front.json:
                    print_json(full_document(queue, job))
                else:
                    click.echo(_format(job))
            if not remaining:
                return 0 if completed else 1
            if not warned:
                warned = True
                warn_if_no_worker(queue, f"Job {remaining[0]}")
            if end is not None and time.monotonic() >= end:
                for job_id in remaining:
                    print_error(f"Job {job_id} is still {found[job_id].state} after {duration(timeout or 0.0)}.")
                return 1
            time.sleep(_EVERY)


def _format(job: Job) -> str:
    seconds = elapsed_seconds(job.started_at, job.finished_at)
    after = "" if seconds is None or job.state is State.CANCELLED else f"  {duration(seconds)}"
    error = f"  {safe(job.error)}" if job.error and job.state is State.FAILED else ""
    return f"{job.id}  {colored(state_text(job.state), job.state)}{after}{error}"
