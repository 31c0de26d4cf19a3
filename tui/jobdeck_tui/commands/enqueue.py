"""`jobdeck enqueue`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..forms.values import read_json, takes_text
from .common import Front, Refused, Verb, complain
from .completers import complete_kinds
from .job_options import given, job_options
from .output import count_of, on_terminal, print_json

if TYPE_CHECKING:
    from jobdeck import NewJob, Queue

    from ..text.enqueue_result import Arrival


@click.command(
    "enqueue",
    cls=Verb,
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
  jobdeck enqueue --file jobs.jsonl --batch nightly      prints the id for `jobdeck batch ID --wait`
  generate | jobdeck enqueue mail.send --file - --queue bulk

A file holds one JSON object a line: {"kind": …, "args": {…}, "queue": …, "priority": …, "in": "10m",
"at": …, "expires": …, "max_attempts": …, "backoff": ["2s", "10m"], "timeout": …, "tags": […], "unique": …,
"unique_until": […], "on_conflict": …, "after": [ID, …], "if_parent_fails": …}. It is enqueued as a whole or
not at all.
""",
)
@click.argument("kind", required=False, shell_complete=complete_kinds)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "args_json", metavar="JSON", help="The arguments as a JSON object; KEY=VALUE wins over it.")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Enqueue every line of a file; - reads standard input.",
)
@click.option("--batch", metavar="NAME", help="Make a batch of the --file's jobs, with one outcome to wait for.")
@job_options
@click.pass_obj
def enqueue_command(
    front: Front,
    /,
    kind: str | None,
    pairs: Sequence[str],
    args_json: str | None,
    file: str | None,
    batch: str | None,
    **options: Any,
) -> None:
    """Enqueue a job of a kind, and print its id.

    The job is durable when this returns. KEY=VALUE is text where the argument is text, and otherwise
    read as JSON where it is JSON: count=3, ratio=0.5, dry=true, ids=[1,2].

    Where another job holds the --unique key, its id is printed, and nothing is enqueued.
    """
    if kind is None and file is None:
        raise click.UsageError("name a kind (`jobdeck kinds` lists them), or give a --file")
    if file is not None and (pairs or args_json is not None):
        raise click.UsageError("the lines of a --file bring their own arguments; leave out KEY=VALUE and --args")
    if file is None and batch is not None:
        raise click.UsageError("--batch takes its jobs from a --file")
    chosen = given(options, many=file is not None)
    with front.open(changes=True) as queue:
        front.load_kinds()
        if file is not None:
            from .jobfile import read_drafts

            drafts = read_drafts(queue, file, kind, chosen)
            if batch is None:
                _tell_all(front, arrive(queue, drafts))
            else:
                _enqueue_batch(front, queue, drafts, batch)
        else:
            assert kind is not None
            (arrival,) = arrive(queue, [queue.new_job(kind, read_arguments(kind, pairs, args_json), **chosen)])
            tell(front, arrival)


def arrive(queue: Queue, drafts: Sequence[NewJob]) -> list[Arrival]:
    """Put the jobs in, in one commit. Raises as `Queue.enqueue_many` does."""
    from ..text.enqueue_result import told_apart

    with queue.transaction():
        newest = queue.list(limit=1)
        return told_apart(newest, queue.enqueue_many(drafts), drafts)


def tell(front: Front, arrival: Arrival) -> None:
    """Print a new job: its id for scripts, a sentence for a person."""
    _print(front, arrival)
    if not arrival.new and (front.json or not on_terminal()):
        complain(arrival.sentence)


def _print(front: Front, arrival: Arrival) -> None:
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


def _tell_all(front: Front, arrivals: Sequence[Arrival]) -> None:
    ids = [arrival.job.id for arrival in arrivals if arrival.new]
    held = len(arrivals) - len(ids)
    more = _held(held) if held else ""
    if front.json or not on_terminal():
        for arrival in arrivals:
            _print(front, arrival)
        if held:
            complain(f"{more}; {len(ids):,} enqueued.")
    else:
        between = f": {ids[0]} to {ids[-1]}" if len(ids) > 1 else ""
        click.echo(f"Enqueued {count_of(len(ids))}{between}{'; ' if held else ''}{more}.")


def _enqueue_batch(front: Front, queue: Queue, drafts: Sequence[NewJob], name: str) -> None:
    if not drafts:
        raise Refused("There are no jobs to make a batch of; nothing was enqueued.")
    batch = queue.enqueue_batch(drafts, name=name)
    if front.json:
        from .json_documents import batch_document

        print_json(batch_document(batch))
    elif on_terminal():
        click.echo(f"Enqueued {count_of(batch.total)} as batch {batch.id}; `jobdeck batch {batch.id} --wait` waits for it.")
    else:
        click.echo(batch.id)
    if held := len(drafts) - batch.total:
        complain(f"{_held(held)}, and {'is' if held == 1 else 'are'} no part of the batch.")


def _held(n: int) -> str:
    return f"{count_of(n)} held {'its unique key' if n == 1 else 'their unique keys'} already"


def read_arguments(kind: str, pairs: Sequence[str], args_json: str | None) -> dict[str, Any]:
    """The arguments of a job from the command line."""
    args: dict[str, Any] = {}
    if args_json is not None:
        try:
            given_args = json.loads(args_json)
        except ValueError as problem:
            raise Refused(f"--args is not JSON: {problem}.") from None
        except RecursionError:
            raise Refused("--args is nested too deep.") from None
        if not isinstance(given_args, dict):
            raise Refused("--args takes a JSON object with the arguments by name.")
        args = given_args
    if not pairs:
        return args
    from jobdeck import REGISTRY

    texts = {each.name for each in REGISTRY.get(kind).describe().parameters if takes_text(each.type, each.choices)}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not name:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        args[name] = value if name in texts else read_json(value)
    return args
