"""`jobdeck edit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobdeck import Job, Queue

from .common import CliContext, Subcommand
from .completers import complete_jobs, complete_pairs, complete_queues
from .enqueue import read_arguments
from .output import print_json
from .param_types import DURATION, JOB_ID, MOMENT

_WAITING = ("pending", "scheduled", "retrying", "waiting")


@click.command(
    "edit",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck edit 42 count=3
  jobdeck edit 42 --args '{"to": "ann@example.org", "count": 3}'
  jobdeck edit 42 --queue slow --at 18:30
  jobdeck edit 42 --in 0                  make it due now
  jobdeck edit 42 --tag shop --tag eu     replace all tags
""",
)
@click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_jobs(*_WAITING))
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_pairs)
@click.option("--args", "args_json", metavar="JSON", help="Replace all arguments with a JSON object.")
@click.option("--queue", metavar="NAME", shell_complete=complete_queues, help="Move the job to this queue.")
@click.option("--priority", type=int, metavar="N", help="Set the priority, -1000000 to 1000000; larger runs first.")
@click.option("--in", "delay", type=DURATION, metavar="DURATION", help="Make it due after this time: 90s, 10m; 0 means now.")
@click.option("--at", type=MOMENT, metavar="TIME", help="Make it due at this time: 18:30, 2026-01-31T09:00.")
@click.option(
    "--max-attempts",
    type=int,
    metavar="N",
    help="Set the maximum number of attempts, 1 to 1000, including those already started.",
)
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Replace all tags with this one; repeatable.")
@click.option("--no-tags", is_flag=True, help="Remove all tags.")
@click.pass_obj
def edit_command(
    front: CliContext,
    /,
    job_id: int,
    pairs: Sequence[str],
    args_json: str | None,
    tags: Sequence[str],
    no_tags: bool,
    **options: Any,
) -> None:
    """Change a queued job: its arguments, queue, priority, time, attempts or tags.

    Omitted options are unchanged. KEY=VALUE changes one argument. The arguments are validated as on enqueue.
    Running and finished jobs cannot be edited. `jobdeck undo` reverts the change.
    """
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags are mutually exclusive")
    changes = {name: value for name, value in options.items() if value is not None}
    if tags or no_tags:
        changes["tags"] = tags
    if not (changes or pairs or args_json is not None):
        raise click.UsageError(
            "specify what to change: KEY=VALUE, --args, --queue, --priority, --in, --at, --max-attempts, --tag"
        )
    with front.open(must_exist=True, changes=True) as queue:
        args = None
        if pairs or args_json is not None:
            front.load_kinds()
            args = _arguments(queue, queue.get(job_id), pairs, args_json)
        job = queue.edit(job_id, args, **changes)
        if front.json:
            from .json_documents import job_document

            print_json(job_document(job))
        else:
            edits = (entry.summary for entry in reversed(queue.journal.of_job(job_id)) if entry.operation == "edit")
            summary = next(edits, f"edited job {job_id}")
            click.echo(f"{summary[:1].upper()}{summary[1:]}; it is {job.state}.")


def _arguments(queue: Queue, job: Job, pairs: Sequence[str], args_json: str | None) -> dict[str, Any]:
    args = read_arguments(queue, job.kind, pairs, args_json)
    return args if args_json is not None else job.args | args
