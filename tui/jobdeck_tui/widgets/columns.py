"""The columns of the job table: what each shows, how wide it is, and which go first where there is no room. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobdeck import Job, State, command_line

from ..format import age, duration
from ..text import safe


@dataclass(frozen=True, slots=True)
class Now:
    """The moment that ages count from."""

    at: float

    def tick(self, job: Job) -> int:
        """Changes when the drawn row of an unchanged job would look different."""
        if job.state is State.RUNNING:
            return int(self.at * 2)
        old = self.at - job.created_at
        if job.state in (State.RETRYING, State.SCHEDULED) or old < 60:
            return int(self.at)
        return int(old // 60) if old < 3600 else int(old // 3600) + 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `width` 0 takes what is left."""

    key: str
    title: str
    width: int
    show: Callable[[Job, Now], str]
    sort: str = ""
    right: bool = False
    quiet: bool = False


def took(job: Job, now: Now) -> str:
    """How long the newest attempt took, or has taken so far."""
    if job.started_at is None:
        return "—"
    if job.state is State.RUNNING:
        return duration(max(0.0, now.at - job.started_at))
    return duration(job.finished_at - job.started_at) if job.finished_at is not None else "—"


COLUMNS = (
    Column("state", "STATE", 12, lambda job, _: job.state.value, sort="state"),
    Column("id", "ID", 6, lambda job, _: str(job.id), sort="id", right=True, quiet=True),
    Column("kind", "KIND", 20, lambda job, _: safe(job.kind), sort="kind"),
    Column("queue", "QUEUE", 9, lambda job, _: safe(job.queue), sort="queue", quiet=True),
    Column("priority", "PRI", 3, lambda job, _: str(job.priority), sort="priority", right=True, quiet=True),
    Column("attempt", "TRY", 4, lambda job, _: f"{job.attempt}/{job.max_attempts}", sort="attempt", right=True, quiet=True),
    Column("age", "AGE", 6, lambda job, now: age(max(0.0, now.at - job.created_at)), sort="age", right=True, quiet=True),
    Column("took", "TOOK", 6, took, sort="took", right=True, quiet=True),
    Column("detail", "DETAIL", 0, lambda job, _: "", sort="error"),
)

_DROPPED = ("took", "queue", "priority")
"""Which columns go, first to last, where there is no room for the detail."""
_DETAIL_WANTS = 18


def choose_columns(width: int, jobs: Iterable[Job]) -> list[tuple[Column, int]]:
    """The columns that fit into `width` cells, with their widths."""
    widths = {column.key: column.width for column in COLUMNS}
    for job in jobs:
        widths["id"] = max(widths["id"], len(str(job.id)))
        widths["priority"] = max(widths["priority"], len(str(job.priority)))
        widths["attempt"] = max(widths["attempt"], len(f"{job.attempt}/{job.max_attempts}"))
    if width >= 150:
        widths["kind"], widths["queue"] = 26, 12
    elif width < 100:
        widths["kind"] = 18
    shown = list(COLUMNS)

    def left() -> int:
        return width - 2 - sum(widths[column.key] + 1 for column in shown if column.width)

    for drop in _DROPPED:
        if left() >= _DETAIL_WANTS:
            break
        shown = [column for column in shown if column.key != drop]
    return [(column, widths[column.key] or max(0, left())) for column in shown]


def detail(job: Job, now: Now) -> list[tuple[str, str]]:
    """The most telling thing about a job, as (text, meaning): its error, its progress, when it is due, its arguments."""
    due = job.scheduled_at - now.at
    match job.state:
        case State.RUNNING if job.progress is not None:
            done = round(job.progress * 10)
            bar = "━" * done + "╌" * (10 - done)
            return [(bar, "accent"), (f" {job.progress:4.0%}  ", ""), (arguments(job), "quiet")]
        case State.FAILED:
            return [(failure(job), "error"), (" · " + arguments(job), "quiet")]
        case State.RETRYING:
            return [(f"in {_clock(due)}", "warning"), (" · " + failure(job), "quiet")]
        case State.SCHEDULED:
            return [(f"in {_clock(due)}", "later"), (" · " + arguments(job), "quiet")]
        case _:
            return [(arguments(job), "quiet")]


def failure(job: Job) -> str:
    """The newest error; of a command only what it said, since its type tells nothing."""
    return safe((job.error or "").removeprefix("CommandFailed: " if job.kind == "shell" else ""))


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60:02d}:{whole % 60:02d}" if whole < 3600 else duration(whole)


def arguments(job: Job, limit: int = 300) -> str:
    """The arguments on one line: a command as it was typed, others as `name=value`."""
    text = job.args_json
    if len(text) > 20_000:
        return safe(text[:limit])
    try:
        args = json.loads(text)
    except (ValueError, RecursionError):
        return safe(text[:limit])
    if not isinstance(args, dict):
        return safe(text[:limit])
    command = args.get("command")
    if job.kind == "shell" and isinstance(command, list) and all(isinstance(part, str) for part in command):
        return safe("$ " + command_line(command, shell=args.get("shell") is True))[:limit]
    shown = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}" for name, value in args.items()
    )
    return safe("  ".join(shown)[:limit])


def doing(job: Job) -> str:
    """What a job does, in a word: its kind, or the command itself."""
    return arguments(job).removeprefix("$ ") if job.kind == "shell" else safe(job.kind)
