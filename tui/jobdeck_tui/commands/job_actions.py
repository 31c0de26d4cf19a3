"""`jobdeck cancel`, `retry`, `delete` and `priority`: act on jobs named by id, or on all that match a filter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from jobdeck import Operation, OperationResult, Queue, State, allowed_jobs, allows

from ..text.priority import read_priority
from .common import CliContext, Subcommand, print_error
from .completers import complete_filter, complete_jobs
from .output import count_of, print_json
from .param_types import SELECTED_JOB_ID

F = TypeVar("F", bound=Callable[..., Any])
Apply = Callable[[Queue, Sequence[int], int | None], OperationResult]
"""Applies the operation to some of the jobs, and adds it to the given journal entry, if any."""

_STEP = 500
"""Jobs changed per transaction; workers write in between."""

#: Operation → its verb in the past tense and in the present.
_WORDS = {
    Operation.CANCEL: ("Cancelled", "cancel"),
    Operation.RETRY: ("Retried", "retry"),
    Operation.DELETE: ("Deleted", "delete"),
    Operation.REPRIORITIZE: ("Reprioritized", "reprioritize"),
}


def _job_selection(*states: str) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in (
            click.option("--dry-run", is_flag=True, help="Print how many jobs would change, and change none."),
            click.option(
                "--where",
                metavar="FILTER",
                shell_complete=complete_filter,
                help="Select all jobs that match; see `jobdeck list --help`.",
            ),
            click.argument("ids", metavar="[ID]...", nargs=-1, type=SELECTED_JOB_ID, shell_complete=complete_jobs(*states)),
        ):
            function = option(function)
        return function

    return add


@click.command(
    "cancel",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck cancel 42 43
  jobdeck cancel --where 'queue:mail state:pending' --dry-run
  jobdeck cancel --where 'queue:mail state:pending'
""",
)
@_job_selection("pending", "running", "scheduled", "retrying", "waiting")
@click.pass_obj
def cancel_command(front: CliContext, ids: Sequence[int], where: str | None, dry_run: bool) -> int:
    """Cancel jobs: queued ones at once, running ones as soon as their code stops."""
    return _run(
        front,
        Operation.CANCEL,
        lambda queue, batch, entry: queue.cancel_many(batch, entry_id=entry),
        ids,
        where,
        dry_run=dry_run,
    )


@click.command(
    "retry",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck retry 42
  jobdeck retry --where 'state:failed age<1d' --dry-run
  jobdeck retry --where 'state:failed error:Timeout'
  jobdeck retry --where 'state:failed exception:TimeoutError place:*/mail.py:*'
""",
)
@_job_selection("failed", "cancelled", "retrying")
@click.pass_obj
def retry_command(front: CliContext, ids: Sequence[int], where: str | None, dry_run: bool) -> int:
    """Retry jobs, or run delayed jobs now.

    --where selects completed jobs only if it names state:completed.
    """
    return _run(
        front,
        Operation.RETRY,
        lambda queue, batch, entry: queue.retry_many(batch, entry_id=entry),
        ids,
        where,
        dry_run=dry_run,
    )


@click.command(
    "delete",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck delete 42
  jobdeck delete --where 'state:completed age>30d' --dry-run
  jobdeck delete --where 'state:cancelled' --yes
""",
)
@_job_selection("completed", "failed", "cancelled")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@click.pass_obj
def delete_command(front: CliContext, ids: Sequence[int], where: str | None, dry_run: bool, yes: bool) -> int:
    """Delete jobs that are not running, with their attempts and logs.

    On a terminal, --where asks for confirmation. `jobdeck undo` restores the jobs, each with the newest part
    of its log.
    """
    ask = where is not None and not yes and sys.stdin.isatty()
    return _run(
        front,
        Operation.DELETE,
        lambda queue, batch, entry: queue.delete_many(batch, entry_id=entry),
        ids,
        where,
        dry_run=dry_run,
        ask=ask,
    )


@click.command(
    "priority",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck priority 10 42 43        set to 10
  jobdeck priority +5 42           raise by 5
  jobdeck priority -5 42           lower by 5
  jobdeck priority =-5 42          set to -5
  jobdeck priority 10 --where 'queue:mail state:pending'
""",
)
@click.argument("n", metavar="N|+N|-N|=N")
@_job_selection("pending", "scheduled", "retrying", "waiting")
@click.pass_obj
def priority_command(front: CliContext, n: str, ids: Sequence[int], where: str | None, dry_run: bool) -> int:
    """Set, raise or lower the priority of queued jobs. Larger runs first."""
    priority, relative = read_priority(n)

    def change(queue: Queue, some: Sequence[int], entry_id: int | None) -> OperationResult:
        return queue.reprioritize_many(some, priority, relative=relative, entry_id=entry_id)

    return _run(front, Operation.REPRIORITIZE, change, ids, where, dry_run=dry_run)


def _run(
    front: CliContext,
    operation: Operation,
    apply: Apply,
    ids: Sequence[int],
    where: str | None,
    *,
    dry_run: bool,
    ask: bool = False,
) -> int:
    if bool(ids) == (where is not None):
        raise click.UsageError("give either job IDs or --where FILTER")
    if where is not None and not where.strip():
        raise click.UsageError("--where needs a filter; 'id>0' selects every job")
    past, present = _WORDS[operation]
    with front.read() if dry_run else front.open(must_exist=True, changes=True) as queue:
        if where is not None:
            chosen: Sequence[int] = queue.ids(allowed_jobs(operation, where), descending=False)
        else:
            chosen = [*dict.fromkeys(ids)]
        if dry_run:
            allowed, refused = _preview(queue, operation, chosen) if where is None else (chosen, {})
            _print_refused(refused)
            if front.json:
                print_json({"operation": str(operation), "dry_run": True, "count": len(allowed), "ids": [*allowed]})
            else:
                click.echo(f"Would {present} {count_of(len(allowed))}.")
            return 1 if refused else 0
        if ask and chosen and not click.confirm(f"Delete {count_of(len(chosen))} with their attempts and logs?", err=True):
            print_error("Nothing was deleted.")
            return 1
        done, refused, children, journal_id = _apply_in_steps(queue, apply, chosen)
        stopping = _stopping(queue, done) if operation is Operation.CANCEL else []
    if where is None:
        _print_refused(refused)
    if front.json:
        print_json(
            {
                "operation": str(operation),
                "journal_id": journal_id,
                "children": children,
                "count": len(done),
                "ids": done,
                "refused": {str(job_id): sentence for job_id, sentence in refused.items()},
            }
            | ({"stopping": stopping} if operation is Operation.CANCEL else {})
        )
    elif done or where is not None:
        click.echo(_sentence(past, len(done), len(stopping)))
        if children:
            click.echo(f"Cancelled {count_of(children, 'dependent job')}.")
    # A job that matched the filter but changed state meanwhile is not a failure of the command.
    return 1 if refused and where is None else 0


def _sentence(past: str, done: int, stopping: int) -> str:
    if not stopping:
        return f"{past} {count_of(done)}."
    asked = f"{count_of(stopping, 'running job')} asked to stop"
    return f"{asked}." if done == stopping else f"{past} {count_of(done - stopping)}; {asked}."


def _apply_in_steps(queue: Queue, apply: Apply, ids: Sequence[int]) -> tuple[list[int], dict[int, str], int, int | None]:
    """Apply the operation in several transactions under one journal entry.

    Returns:
        The changed jobs, the refused jobs with reasons, the number of cancelled dependents, and the journal entry's id.
    """
    done: list[int] = []
    refused: dict[int, str] = {}
    children = 0
    journal_id: int | None = None
    for start in range(0, len(ids), _STEP):
        changes = apply(queue, [*ids[start : start + _STEP]], journal_id)
        done.extend(changes.done)
        refused.update((job_id, str(problem)) for job_id, problem in changes.refused.items())
        children += changes.children
        journal_id = changes.entry_id or journal_id
    return done, refused, children, journal_id


def _preview(queue: Queue, operation: Operation, ids: Sequence[int]) -> tuple[list[int], dict[int, str]]:
    """Return the jobs that the operation would change, and why it would refuse the others."""
    from jobdeck import JobNotFound, WrongState

    found = {job.id: job for job in queue.get_many(ids)}
    refused: dict[int, str] = {}
    for job_id in ids:
        if job_id not in found:
            refused[job_id] = str(JobNotFound(job_id))
        elif not allows(operation, found[job_id].state):
            refused[job_id] = str(WrongState(job_id, operation, found[job_id].state))
    return [job_id for job_id in ids if job_id not in refused], refused


def _stopping(queue: Queue, ids: Sequence[int]) -> list[int]:
    """Return the cancelled jobs whose code is still running."""
    return [
        job.id
        for start in range(0, len(ids), _STEP)
        for job in queue.get_many(ids[start : start + _STEP])
        if job.state is State.RUNNING
    ]


def _print_refused(refused: dict[int, str]) -> None:
    for sentence in refused.values():
        print_error(sentence)
