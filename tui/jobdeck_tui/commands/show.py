"""`jobdeck show`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import click

from jobdeck import Attempt, Dependencies, Job, Queue, State, handler_kind

from ..text.arguments import carried_text
from ..text.format import COLORS, age, describe_reason, duration, newest_error, schedule_name
from ..text.kind_history import RANGE_NAMES, KindHistory, describe_run, describe_total, own_run, read_history
from ..text.priority import aged_priority
from ..text.progress import describe_progress
from ..text.sanitize import safe
from .common import CliContext, Subcommand
from .completers import complete_jobs
from .json_documents import args_of, details_document, full_document, log_document
from .list_jobs import format_command
from .output import MISSING, colored, dim, print_fields, print_json, state_text
from .param_types import JOB_ID
from .stats import history_document

_ALL = 2**31
_SLOTS = 60
"""The number of time slices in the history of the kind."""
_LISTED_CHILDREN = 10
"""The number of children listed one by one; the rest are counted."""


@click.command(
    "show",
    cls=Subcommand,
    epilog="""\b
Examples:
  jobdeck show 42
  jobdeck show 42 --json | jq .attempts
""",
)
@click.argument("job_id", metavar="ID", type=JOB_ID, shell_complete=complete_jobs())
@click.option("--secrets", is_flag=True, help="Show the secrets in the environment of a command instead of ***.")
@click.pass_obj
def show_command(front: CliContext, job_id: int, secrets: bool) -> None:
    """Show a job: its fields, result, dependencies, and attempts with their errors.

    Also shows the actions of people on it, and how its run time compares with other jobs of its kind. --json adds
    why it is not running, its batch, and its whole log.
    """
    with front.read() as queue:
        job = queue.get(job_id)
        if front.json:
            log = [log_document(line) for line in queue.logs(job_id, limit=_ALL)]
            history = history_document(read_history(queue, job, _SLOTS), queue.attempts(job_id), queue.clock.now())
            print_json(
                full_document(queue, job, secrets=secrets)
                | details_document(queue, job)
                | {"kind_history": history, "log": log}
            )
            return
        _print_job(queue, job, secrets=secrets)


def _print_job(queue: Queue, job: Job, *, secrets: bool) -> None:
    now = queue.clock.now()
    dependencies = queue.dependencies(job.id)
    reason = describe_reason(job, dependencies.parents)
    state = colored(state_text(job.state, cancelling=job.cancelling) + (f" ({reason})" if reason else ""), job.state)
    click.echo(f"Job {job.id}  {state}  {safe(job.kind)}")
    click.echo()
    attempts = queue.attempts(job.id)
    history = read_history(queue, job, 1)
    fields = _fields(job, now, aged_priority(job, now, queue.settings.ageing), dependencies, secrets=secrets)
    print_fields([*fields, *_history(history, attempts, now)])
    for entry in queue.journal.of_job(job.id):
        undone = dim(f"  undone by {safe(entry.undone_by or '')}") if entry.undone else ""
        click.echo(f"{safe(entry.actor)} {safe(entry.summary)}  {dim(format_time(entry.at, now))}{undone}")
    if attempts:
        click.echo()
    for attempt in attempts:
        _print_attempt(attempt, now)


def _fields(job: Job, now: float, aged: int | None, dependencies: Dependencies, *, secrets: bool) -> list[tuple[str, str]]:
    fields = [
        ("queue", safe(job.queue)),
        ("priority", str(job.priority) if aged is None else f"{job.priority}, effectively {aged} now"),
        ("unique key", safe(job.unique_key or "")),
        ("schedule", safe(schedule_name(job) or "")),
        ("batch", "" if job.batch is None else str(job.batch)),
        ("parents", _parents(dependencies)),
        ("waiting for", ", ".join(map(str, dependencies.waits_for)) if job.state is State.WAITING else ""),
        ("children", _children(dependencies)),
        ("attempts", f"{job.attempt} of {job.max_attempts}"),
        ("crashes", str(job.crashes) if job.crashes else ""),
        ("back-off", " to ".join(map(duration, job.backoff)) if job.backoff else ""),
        ("tags", safe(", ".join(job.tags))),
        ("timeout", duration(job.timeout) if job.timeout else ""),
        ("enqueued", format_time(job.created_at, now)),
        ("due", format_time(job.scheduled_at, now) if abs(job.scheduled_at - job.created_at) > 0.0005 else ""),
        ("expires", format_time(job.expires_at, now)),
        ("started", format_time(job.started_at, now)),
        ("finished", format_time(job.finished_at, now)),
        ("took", _took(job, now)),
        ("worker", safe(job.worker or "")),
        ("trace", job.trace_id or ""),
        ("lease until", format_time(job.lease_until, now)),
        ("progress", describe_progress(job, now)),
        *_arguments(job, secrets=secrets),
        ("result", "" if job.result is None else format_json(job.result)),
        ("error" if newest_error(job) else "earlier error", safe(job.error or "", multiline=True)),
    ]
    return [(name, value) for name, value in fields if value]


def _history(history: KindHistory, attempts: Sequence[Attempt], now: float) -> list[tuple[str, str]]:
    """Summarize the recent runs of the kind, and compare the newest run of this job with them."""
    runs, *more = describe_total(history.total)
    fields = [("same kind", ", ".join([f"{runs} in the {RANGE_NAMES[history.seconds]}", *more]))]
    if attempts:
        run, comparison = describe_run(own_run(attempts[-1], now), history.total.run)
        fields += [("this job", f"{run}, {comparison}")] if comparison else []
    return fields


def _parents(dependencies: Dependencies) -> str:
    lines = [
        f"{parent} {'deleted' if state is None else colored(str(state), state)}"
        for parent, state in dependencies.parents.items()
    ]
    return "\n".join([*lines, dim(f"if one fails: {dependencies.if_parent_fails}")] if lines else [])


def _children(dependencies: Dependencies) -> str:
    listed = [*dependencies.children.items()][:_LISTED_CHILDREN]
    lines = [f"{child} {colored(str(state), state)}" for child, state in listed]
    more = len(dependencies.children) - len(listed)
    return "\n".join([*lines, dim(f"and {more:,} more")] if more else lines)


def _arguments(job: Job, *, secrets: bool) -> list[tuple[str, str]]:
    args = args_of(job, secrets=secrets)
    command = args.get("command") if isinstance(args, dict) else None
    if handler_kind(job.kind) != "shell" or not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return [("arguments", format_json(args))]
    return [
        ("command", safe(format_command(command, shell=bool(args.get("shell"))), multiline=True)),
        ("directory", safe(str(args.get("cwd") or ""))),
        ("environment", safe("\n".join(f"{k}={v}" for k, v in (args.get("env") or {}).items()), multiline=True)),
        ("carried", carried_text(job.kind, args)),
    ]


def _took(job: Job, now: float) -> str:
    if job.started_at is None or (job.finished_at is None and job.state is not State.RUNNING):
        return ""
    return duration((now if job.finished_at is None else job.finished_at) - job.started_at)


def _print_attempt(attempt: Attempt, now: float) -> None:
    outcome = "running" if attempt.outcome is None else str(attempt.outcome)
    color = {
        "completed": COLORS[State.COMPLETED],
        "running": COLORS[State.RUNNING],
        "cancelled": COLORS[State.CANCELLED],
    }.get(outcome, COLORS[State.FAILED])
    took = duration((attempt.finished_at or now) - attempt.started_at)
    late = f"  late result {format_time(attempt.late_at, now)}" if attempt.late_at else ""
    click.echo(
        f"attempt {attempt.number}  {click.style(outcome, fg=color)}  {took}  {dim(format_time(attempt.started_at, now))}"
        f"  {dim(safe(attempt.worker))}{late}"
    )
    error = attempt.traceback or ": ".join(part for part in (attempt.error_type, attempt.message) if part)
    for line in safe(error.rstrip(), multiline=True).split("\n") if error else ():
        click.echo(f"    {line}")


def format_time(at: float | None, now: float) -> str:
    """Format a time in the local zone, with its distance from now."""
    if at is None:
        return ""
    try:
        local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        local = MISSING
    return f"{local} ({age(now - at)} ago)" if at <= now else f"{local} (in {age(at - now)})"


def format_json(value: object) -> str:
    """Format a value as indented JSON, safe to print."""
    if isinstance(value, str):
        return safe(value, multiline=True)
    return safe(json.dumps(value, ensure_ascii=False, indent=2), multiline=True)
