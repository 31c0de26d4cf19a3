"""The cells of the job table. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from jobdeck import Job, State, command_line, handler_kind, record

from ...text.arguments import shown_arguments
from ...text.format import duration
from ...text.progress import bar, format_message, format_time_left
from ...text.sanitize import safe


@record
class Now:
    """The time from which ages are counted."""

    at: float
    fine: bool = False
    """`True` if a column changes every second."""

    def tick(self, job: Job) -> int:
        """Return a number that changes when the drawn row of an unchanged job would look different."""
        if job.state is State.RUNNING:
            return int(self.at * 2)
        old = self.at - job.created_at
        if job.state in (State.RETRYING, State.SCHEDULED) or old < 60 or self.fine:
            return int(self.at)
        return int(old // 60) if old < 3600 else int(old // 3600) + 100_000


def took(job: Job, now: Now) -> str:
    """Return how long the newest attempt took, or has taken so far."""
    if job.started_at is None:
        return "—"
    if job.state is State.RUNNING:
        return duration(max(0.0, now.at - job.started_at))
    return duration(job.finished_at - job.started_at) if job.finished_at is not None else "—"


def waited(job: Job, now: Now) -> str:
    """Return the wait from due to the newest start, or so far."""
    if job.state is State.PENDING:
        return duration(max(0.0, now.at - job.scheduled_at))
    started = job.started_at is not None and job.started_at >= job.scheduled_at
    if job.started_at is None or not started or not (job.state is State.RUNNING or job.finished_at is not None):
        return "—"
    return duration(job.started_at - job.scheduled_at)


def format_time(at: float | None, now: Now) -> str:
    """Format a time of day, with the date unless it is today, and with the year unless it is this year."""
    if at is None:
        return "—"
    try:
        then, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now.at)
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return "out of range"
    if then.date() == today.date():
        return then.strftime("%H:%M:%S")
    return then.strftime("%m-%d %H:%M" if then.year == today.year else "%Y-%m-%d")


def progress(job: Job, now: Now) -> str:
    """Return the reported progress, with the time left of a running job."""
    if job.progress is None:
        return "—"
    return f"{bar(job.progress, 6)} {job.progress:4.0%} {format_time_left(job, now.at)}".rstrip()


def detail(job: Job, now: Now) -> list[tuple[str, str]]:
    """Return the most useful detail of a job, as (text, meaning): its error, progress, due time or arguments."""
    due = job.scheduled_at - now.at
    match job.state:
        case State.RUNNING if job.progress is not None:
            said = [(f"{format_message(job)} · ", "")] if job.progress_message else []
            rest = [(f"{text} · ", "quiet") for text in [format_time_left(job, now.at)] if text]
            return [(bar(job.progress, 10), "accent"), (f" {job.progress:4.0%}  ", ""), *rest, *said, (arguments(job), "quiet")]
        case State.FAILED:
            return [(error_text(job), "error"), (" · " + arguments(job), "quiet")]
        case State.RETRYING:
            return [(f"in {_clock(due)}", "warning"), (" · " + error_text(job), "quiet")]
        case State.SCHEDULED:
            return [(f"in {_clock(due)}", "later"), (" · " + arguments(job), "quiet")]
        case _:
            return [(arguments(job), "quiet")]


def error_text(job: Job) -> str:
    """Return the newest error; of a command without its type, which is always the same."""
    return safe((job.error or "").removeprefix("CommandFailed: " if handler_kind(job.kind) == "shell" else ""))


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60:02d}:{whole % 60:02d}" if whole < 3600 else duration(whole)


def arguments(job: Job, limit: int = 300) -> str:
    """Return the arguments of a job on one line."""
    return format_arguments(job.kind, job.args_json, limit)


def format_arguments(kind: str, text: str, limit: int = 300) -> str:
    """Format JSON arguments on one line: a command as typed, others as `name=value`."""
    if len(text) > 20_000 and handler_kind(kind) != "shell":
        return safe(text[:limit])
    try:
        args = json.loads(text)
    except (ValueError, RecursionError):
        return safe(text[:limit])
    if not isinstance(args, dict):
        return safe(text[:limit])
    args = shown_arguments(kind, args)
    command = args.get("command")
    if handler_kind(kind) == "shell" and isinstance(command, list) and all(isinstance(part, str) for part in command):
        return safe("$ " + command_line(command, shell=args.get("shell") is True))[:limit]
    shown = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}" for name, value in args.items()
    )
    return safe("  ".join(shown)[:limit])


def kind_or_command(job: Job) -> str:
    """Return the kind of a job, or the command of a shell job."""
    return arguments(job).removeprefix("$ ") if handler_kind(job.kind) == "shell" else safe(job.kind)
