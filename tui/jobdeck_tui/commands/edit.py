"""`jobdeck edit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobdeck import Job

from .common import Front, Verb
from .completers import complete_jobs
from .enqueue import read_arguments
from .output import print_json
from .param_types import DURATION, MOMENT

_WAITING = ("pending", "scheduled", "retrying", "waiting")


@click.command(
    "edit",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck edit 42 count=3
  jobdeck edit 42 --args '{"to": "ann@example.org", "count": 3}'
  jobdeck edit 42 --queue slow --at 18:30
  jobdeck edit 42 --in 0                  due now
  jobdeck edit 42 --tag shop --tag eu     all of its tags anew; --no-tags leaves none
""",
)
@click.argument("job_id", metavar="ID", type=click.IntRange(1, 2**63 - 1), shell_complete=complete_jobs(*_WAITING))
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "args_json", metavar="JSON", help="All of its arguments anew, as a JSON object.")
@click.option("--queue", metavar="NAME", help="Another queue.")
@click.option("--priority", type=int, metavar="N", help="Another priority; larger runs first.")
@click.option("--in", "delay", type=DURATION, metavar="DURATION", help="Due in so long: 90s, 10m; 0 makes it due now.")
@click.option("--at", type=MOMENT, metavar="TIME", help="Due then: 18:30 or 2026-01-31T09:00.")
@click.option("--max-attempts", type=int, metavar="N", help="How often it may start, attempts begun included.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A tag, in place of those it has; may be repeated.")
@click.option("--no-tags", is_flag=True, help="Take its tags away.")
@click.pass_obj
def edit_command(
    front: Front,
    /,
    job_id: int,
    pairs: Sequence[str],
    args_json: str | None,
    tags: Sequence[str],
    no_tags: bool,
    **options: Any,
) -> None:
    """Change a job that still waits: its arguments, queue, priority, time, attempts or tags.

    What is not given stays. KEY=VALUE changes one argument and leaves the others. The arguments are checked as
    at the enqueue. What runs, or has run, is never changed. `jobdeck undo` takes it back.
    """
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags exclude each other")
    changes = {name: value for name, value in options.items() if value is not None}
    if tags or no_tags:
        changes["tags"] = tags
    if not (changes or pairs or args_json is not None):
        raise click.UsageError("say what to change: KEY=VALUE, --args, --queue, --priority, --in, --at, --max-attempts, --tag")
    with front.open(must_exist=True, changes=True) as queue:
        args = None
        if pairs or args_json is not None:
            front.load_kinds()
            args = _arguments(queue.get(job_id), pairs, args_json)
        job = queue.edit(job_id, args, **changes)
        if front.json:
            from .json_documents import job_document

            print_json(job_document(job))
        else:
            told = next((act.told for act in reversed(queue.journal_of(job_id)) if act.operation == "edit"), "edited")
            click.echo(f"{told[:1].upper()}{told[1:]}; it is {job.state}.")


def _arguments(job: Job, pairs: Sequence[str], args_json: str | None) -> dict[str, Any]:
    given = read_arguments(job.kind, pairs, args_json)
    return given if args_json is not None else job.args | given
