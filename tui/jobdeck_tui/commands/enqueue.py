"""`jobdeck enqueue`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from .complete import complete_kinds
from .front import Front, Refused, Verb
from .output import count_of, on_terminal, print_json
from .policy import given, job_options

#: Parameter types whose values are taken as they were typed, even if they look like JSON.
_TEXT = {"str", "Path", "pathlib.Path", "PurePath", "pathlib.PurePath", "bytes"}


@click.command(
    "enqueue",
    cls=Verb,
    epilog="""\b
Examples:
  jobdeck enqueue mail.send to=ann@example.org count=3
  jobdeck enqueue mail.send --args '{"to": "ann@example.org"}' --queue mail --priority 5
  jobdeck enqueue report.daily --at 18:30 --max-attempts 1
  jobdeck enqueue mail.send to=ann@example.org --in 10m --tag welcome
  jobdeck enqueue --file jobs.jsonl
  generate | jobdeck enqueue mail.send --file - --queue bulk

A file holds one JSON object a line: {"kind": …, "args": {…}, "queue": …, "priority": …, "in": "10m",
"at": …, "max_attempts": …, "timeout": …, "tags": […]}. It is enqueued as a whole or not at all.
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
@job_options
@click.pass_obj
def enqueue_command(
    front: Front, /, kind: str | None, pairs: Sequence[str], args_json: str | None, file: str | None, **options: Any
) -> None:
    """Enqueue a job of a kind, and print its id.

    The job is durable when this returns. KEY=VALUE is text where the argument is text, and otherwise
    read as JSON where it is JSON: count=3, ratio=0.5, dry=true, ids=[1,2].
    """
    if kind is None and file is None:
        raise click.UsageError("name a kind (`jobdeck kinds` lists them), or give a --file")
    if file is not None and (pairs or args_json is not None):
        raise click.UsageError("the lines of a --file bring their own arguments; leave out KEY=VALUE and --args")
    with front.open(changes=True) as queue:
        front.load_kinds()
        if file is not None:
            from .jobfile import read_drafts

            jobs = queue.enqueue_many(read_drafts(queue, file, kind, given(options)))
            if front.json or not on_terminal():
                for job in jobs:
                    tell(front, job)
            else:
                ids = f": {jobs[0].id} to {jobs[-1].id}" if len(jobs) > 1 else ""
                click.echo(f"Enqueued {count_of(len(jobs))}{ids}.")
        else:
            assert kind is not None
            tell(front, queue.enqueue(kind, read_arguments(kind, pairs, args_json), **given(options)))


def tell(front: Front, job: Any) -> None:
    """Print a new job: its id for scripts, a sentence for a person."""
    if front.json:
        from .documents import job_document

        print_json(job_document(job))
    elif on_terminal():
        from ..text import safe

        click.echo(f"Job {job.id} is {job.state} in queue {safe(job.queue)}.")
    else:
        click.echo(job.id)


def read_arguments(kind: str, pairs: Sequence[str], args_json: str | None) -> dict[str, Any]:
    """The arguments of a job from the command line."""
    args: dict[str, Any] = {}
    if args_json is not None:
        try:
            given_args = json.loads(args_json)
        except ValueError as problem:
            raise Refused(f"--args is not JSON: {problem}.") from None
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
        args[name] = value if name in texts else read_value(value)
    return args


def takes_text(type: str, choices: Sequence[Any]) -> bool:
    """Whether a value of this type is taken as it was typed."""
    if choices:
        return all(isinstance(choice, str) for choice in choices)
    if type.startswith(("Optional[", "typing.Optional[")):
        type = type.partition("[")[2].removesuffix("]")
    names = {name.strip() for name in type.split("|")} - {"None"}
    return bool(names) and names <= _TEXT


def read_value(text: str) -> Any:
    """A value as JSON, or as the text it is where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
