"""`jobdeck enqueue`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..forms.values import read_json, takes_text
from .common import CliContext, CommandError, Subcommand, print_error
from .completers import complete_kinds, complete_pairs
from .job_options import given_options, job_options
from .output import count_of, on_terminal, print_json

if TYPE_CHECKING:
    from jobdeck import NewJob, Queue

    from ..text.enqueue_result import EnqueueResult


@click.command(
    "enqueue",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck enqueue mail.send to=ann@example.org count=3
  jobdeck enqueue mail.send --args '{"to": "ann@example.org"}' --queue mail --priority 5
  jobdeck enqueue report.daily --at 18:30 --max-attempts 1
  jobdeck enqueue mail.send to=ann@example.org --in 10m --tag welcome
  jobdeck enqueue report.daily --unique "report $(date +%F)" --unique-until completed
  jobdeck enqueue mail.send to=ann@example.org --after 41 --after 42 --if-parent-fails run
  jobdeck enqueue quote.fetch symbol=ACME --expires 30s --backoff 1s,10s
  jobdeck enqueue --file jobs.jsonl
  jobdeck enqueue --file jobs.jsonl --batch nightly      print a batch id for `jobdeck batch ID --wait`
  generate | jobdeck enqueue mail.send --file - --queue bulk

A file holds one JSON object per line: {"kind": …, "args": {…}, "queue": …, "priority": …, "in": "10m",
"at": …, "expires": …, "max_attempts": …, "backoff": ["2s", "10m"], "timeout": …, "tags": […], "unique": …,
"unique_until": […], "on_conflict": …, "after": [ID, …], "if_parent_fails": …}. Either all of its jobs
are enqueued or none.
""",
)
@click.argument("kind", required=False, shell_complete=complete_kinds)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_pairs)
@click.option("--args", "args_json", metavar="JSON", help="Arguments as a JSON object; KEY=VALUE overrides it.")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Enqueue one job per line of a JSON Lines file; - reads standard input.",
)
@click.option("--batch", metavar="NAME", help="Group the jobs of --file into a batch with this name.")
@job_options
@click.pass_obj
def enqueue_command(
    front: CliContext,
    /,
    kind: str | None,
    pairs: Sequence[str],
    args_json: str | None,
    file: str | None,
    batch: str | None,
    **options: Any,
) -> None:
    """Enqueue a job of a kind and print its id.

    The job is durable once the command returns. KEY=VALUE is taken as text if the argument is text, and
    otherwise parsed as JSON if it is valid JSON: count=3, ratio=0.5, dry=true, ids=[1,2].

    If another job holds the --unique key, nothing is enqueued and the id of that job is printed.
    """
    if kind is None and file is None:
        raise click.UsageError("name a KIND (`jobdeck kinds` lists them), or give --file")
    if file is not None and (pairs or args_json is not None):
        raise click.UsageError("each line of --file has its own arguments; omit KEY=VALUE and --args")
    if file is None and batch is not None:
        raise click.UsageError("--batch requires --file")
    chosen = given_options(options, many=file is not None)
    with front.open_to_enqueue() as queue:
        front.load_kinds()
        if file is not None:
            from .jobfile import read_jobs

            drafts = read_jobs(queue, file, kind, chosen)
            if batch is None:
                _print_all(front, enqueue_and_classify(queue, drafts))
            else:
                _enqueue_batch(front, queue, drafts, batch)
        else:
            assert kind is not None
            (arrival,) = enqueue_and_classify(
                queue, [queue.new_job(kind, read_arguments(queue, kind, pairs, args_json), **chosen)]
            )
            print_enqueued(front, arrival)


def enqueue_and_classify(queue: Queue, drafts: Sequence[NewJob]) -> list[EnqueueResult]:
    """Enqueue the jobs in one commit. Raises what `Queue.enqueue_many` raises."""
    from ..text.enqueue_result import enqueue_results

    return enqueue_results(queue.enqueue_new(drafts), drafts)


def print_enqueued(front: CliContext, arrival: EnqueueResult) -> None:
    """Print the enqueued job: a sentence on a terminal, its id elsewhere."""
    _print(front, arrival)
    if not arrival.new and (front.json or not on_terminal()):
        print_error(arrival.sentence)


def _print(front: CliContext, arrival: EnqueueResult) -> None:
    job = arrival.job
    if front.json:
        from .json_documents import job_document

        print_json(job_document(job) | {"existing": not arrival.new})
    elif not on_terminal():
        click.echo(job.id)
    elif arrival.new:
        from ..text.sanitize import safe

        click.echo(f"Job {job.id} is {job.state} in queue {safe(job.queue)}.")
    else:
        click.echo(arrival.sentence)


def _print_all(front: CliContext, arrivals: Sequence[EnqueueResult]) -> None:
    ids = [arrival.job.id for arrival in arrivals if arrival.new]
    skipped = len(arrivals) - len(ids)
    note = _explain_skipped(skipped) if skipped else ""
    if front.json or not on_terminal():
        for arrival in arrivals:
            _print(front, arrival)
        if skipped:
            print_error(f"{note}; {count_of(len(ids))} enqueued.")
    else:
        id_range = f" ({ids[0]} to {ids[-1]})" if len(ids) > 1 else ""
        click.echo(f"Enqueued {count_of(len(ids))}{id_range}{'; ' if skipped else ''}{note}.")


def _enqueue_batch(front: CliContext, queue: Queue, drafts: Sequence[NewJob], name: str) -> None:
    if not drafts:
        raise CommandError("The file contains no jobs; no batch was created.")
    batch = queue.batches.enqueue(drafts, name=name)
    if front.json:
        from .json_documents import batch_document

        print_json(batch_document(batch))
    elif on_terminal():
        click.echo(f"Enqueued {count_of(batch.total)} as batch {batch.id}; wait for it with `jobdeck batch {batch.id} --wait`.")
    else:
        click.echo(batch.id)
    if skipped := len(drafts) - batch.total:
        print_error(f"{_explain_skipped(skipped)}; the batch contains {count_of(batch.total)}.")


def _explain_skipped(n: int) -> str:
    return f"{count_of(n)} not enqueued: unique key already taken"


def read_arguments(queue: Queue, kind: str, pairs: Sequence[str], args_json: str | None) -> dict[str, Any]:
    """Return the arguments of a job as given on the command line."""
    args: dict[str, Any] = {}
    if args_json is not None:
        try:
            given_args = json.loads(args_json)
        except ValueError as problem:
            raise CommandError(f"--args is not valid JSON: {problem}.") from None
        except RecursionError:
            raise CommandError("--args is nested too deeply.") from None
        if not isinstance(given_args, dict):
            raise CommandError("--args must be a JSON object that maps argument names to values.")
        args = given_args
    if not pairs:
        return args
    texts = {each.name for each in queue.kinds.get(kind).parameters if takes_text(each.type, each.choices)}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not name:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        args[name] = value if name in texts else read_json(value)
    return args
