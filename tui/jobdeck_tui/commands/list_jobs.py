"""`jobdeck list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from jobdeck import Job, Queue, State, handler_kind

from ..text.arguments import shown_arguments
from ..text.format import COLORS, age, duration, newest_error
from ..text.progress import describe_progress
from .common import CliContext, Subcommand
from .completers import complete_filter
from .json_documents import args_of, full_document
from .output import MISSING, columns, dim, on_terminal, print_json, state_text
from .param_types import WholeNumber
from .table import OutputCell, OutputColumn, cell, print_table

SORTS = (
    *("id", "state", "kind", "queue", "priority", "attempt", "age", "took", "error"),
    *("due", "started", "finished", "wait", "worker", "tags", "unique", "batch", "progress", "args"),
)
_PAGE = 500
_SUMMARY = 300

HEADS = (
    OutputColumn("STATE"),
    OutputColumn("ID", right=True),
    OutputColumn("KIND", least=16),
    OutputColumn("QUEUE", least=10, drop=4),
    OutputColumn("PRI", right=True, drop=6),
    OutputColumn("TRY", right=True, drop=2),
    OutputColumn("AGE", right=True, drop=1),
    OutputColumn("TOOK", right=True, drop=5),
    OutputColumn("DETAIL", least=18, drop=3),
)


@click.command(
    "list",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck list
  jobdeck list state:failed queue:mail
  jobdeck list name:gzip               commands by name; kind:shell is all of them
  jobdeck list 'kind:send* age<1h -tag:test'
  jobdeck list args.user.id:42
  jobdeck list --sort took --limit 10 state:completed
  jobdeck list --json --limit 0 state:failed | jq -r '.id'
  jobdeck list --json kind:shell | jq '{id, exit_code, stderr}'

\b
All terms of a filter must match. A comma means "or", a leading - "not", and * matches any text, ? any
character; \\* \\? and \\" are these characters themselves:
  state: queue: kind: name: tag: schedule: worker: error: exception: place: reason: unique: args.NAME:
  id: priority: attempt: crashes: batch: age: run: wait:    these also accept < <= > >=
  Other words match any field. `exception` is the type of the newest error, `place` the line that raised it:
  place:"*/mail.py:88 send". `wait` is the time from due to started; `reason` is why the job ended:
  exhausted, given-up, timed-out, crashed, expired, parent.
""",
)
@click.argument("filter", nargs=-1, shell_complete=complete_filter)
@click.option(
    "--limit", type=WholeNumber(0), default=50, show_default=True, metavar="N", help="Maximum number of jobs; 0 for all."
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="id",
    show_default=True,
    metavar="COLUMN",
    help=f"Sort by this column, largest first (age: newest first): {', '.join(SORTS)}.",
)
@click.option("--reverse", is_flag=True, help="Reverse the order: smallest first.")
@click.option("--secrets", is_flag=True, help="With --json, show the secrets in environments of commands instead of ***.")
@click.pass_obj
def list_command(front: CliContext, filter: Sequence[str], limit: int, sort: str, reverse: bool, secrets: bool) -> None:
    """List jobs, newest first, optionally filtered.

    With --json, each job is one line with every field and its attempts; shell jobs also have exit_code and the
    end of stdout and stderr.
    """
    words = " ".join(filter)
    with front.read() as queue:
        jobs = _jobs(queue, words, limit, sort, descending=not reverse)
        if front.json:
            for job in jobs:
                print_json(full_document(queue, job, secrets=secrets))
            return
        shown = [*jobs]
        if shown:
            now = queue.clock.now()
            print_table(HEADS, [row(job, now) for job in shown], fit=columns())
        if on_terminal():
            _print_rest(len(shown), queue.count(words), words)


def _jobs(queue: Queue, words: str, limit: int, sort: str, *, descending: bool) -> Iterator[Job]:
    if 0 < limit <= _PAGE:
        yield from queue.list(words, limit=limit, sort=sort, descending=descending)
        return
    ids = queue.ids(words, sort=sort, descending=descending)[: limit or None]
    for start in range(0, len(ids), _PAGE):
        yield from queue.get_many(ids[start : start + _PAGE].tolist())


def _print_rest(shown: int, total: int, words: str) -> None:
    if not total:
        click.echo("No jobs match the filter." if words else "No jobs yet.")
    elif shown < total:
        click.echo(dim(f"{shown:,} of {total:,} jobs; --limit 0 shows all."))


def row(job: Job, now: float) -> list[OutputCell]:
    """Return a job as a row of the table."""
    took = MISSING
    if job.started_at is not None and job.state is not State.PENDING:
        end = job.finished_at if job.finished_at is not None else now if job.state is State.RUNNING else None
        took = MISSING if end is None else duration(end - job.started_at)
    color = COLORS[job.state]
    return [
        cell(state_text(job.state, cancelling=job.cancelling), color),
        cell(job.id),
        cell(job.kind),
        cell(job.queue),
        cell(job.priority),
        cell(f"{job.attempt}/{job.max_attempts}"),
        cell(age(now - job.created_at)),
        cell(took),
        cell(*_details(job, now)),
    ]


def _details(job: Job, now: float) -> tuple[str, str | None]:
    """Return the most useful detail of a job in one line: its newest error, or its arguments."""
    if error := newest_error(job):
        due = f" · next in {age(job.scheduled_at - now)}" if job.state is State.RETRYING else ""
        return error[:_SUMMARY] + due, "red" if job.state is State.FAILED else None
    text = summary(job)
    if job.state is State.SCHEDULED:
        text = f"due in {age(job.scheduled_at - now)} · {text}"
    elif job.state is State.RUNNING and job.progress is not None:
        text = f"{describe_progress(job, now)} · {text}"
    return text, None


def summary(job: Job) -> str:
    """Return the arguments in one line; for a shell job, the command as typed."""
    args = args_of(job)
    if not isinstance(args, dict):
        return str(args)[:_SUMMARY]
    command = args.get("command")
    if handler_kind(job.kind) == "shell" and isinstance(command, list) and all(isinstance(part, str) for part in command):
        return format_command(command, shell=bool(args.get("shell")))[:_SUMMARY]
    import json

    args = shown_arguments(job.kind, args)
    pairs = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}" for name, value in args.items()
    )
    return " ".join(pairs)[:_SUMMARY]


def format_command(command: list[str], *, shell: bool) -> str:
    """Return a command as typed in a shell."""
    if shell:
        return " ".join(command)
    import shlex

    return shlex.join(command)
