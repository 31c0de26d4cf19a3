"""The columns of the job table: what each shows, how wide it is, and which go first where there is no room. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from jobdeck import Job

from ...text.format import age
from ...text.sanitize import safe
from .cells import Now, moment, progress, took, waited


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `width` 0 takes what is left; one with a `most` is as wide as what it shows, up to that."""

    key: str
    title: str
    width: int
    show: Callable[[Job, Now], str]
    sort: str = ""
    right: bool = False
    quiet: bool = False
    most: int = 0
    told: str = ""
    """What it is, in words for those who choose columns and orders."""


def _created(job: Job, now: Now) -> str:
    return age(max(0.0, now.at - job.created_at))


def _tries(job: Job, _: Now) -> str:
    return f"{job.attempt}/{job.max_attempts}"


def _tags(job: Job, _: Now) -> str:
    return safe(" ".join(job.tags)) or "—"


_COLUMNS = (
    Column("state", "STATE", 12, lambda job, _: job.state.value, sort="state", told="where it is in its life"),
    Column("id", "ID", 6, lambda job, _: str(job.id), sort="id", right=True, quiet=True, most=20, told="never used twice"),
    Column("kind", "KIND", 20, lambda job, _: safe(job.kind), sort="kind", told="what it does"),
    Column("queue", "QUEUE", 9, lambda job, _: safe(job.queue), sort="queue", quiet=True, told="where it waits"),
    Column("priority", "PRI", 3, lambda job, _: str(job.priority), sort="priority", right=True, quiet=True, most=11,
           told="priority: larger runs first"),
    Column("attempt", "TRY", 4, _tries, sort="attempt", right=True, quiet=True, most=12, told="attempts begun, of so many"),
    Column("age", "AGE", 6, _created, sort="age", right=True, quiet=True, told="time since it was enqueued"),
    Column("created", "CREATED", 11, lambda job, now: moment(job.created_at, now), sort="age", quiet=True,
           told="when it was enqueued"),
    Column("due", "DUE", 11, lambda job, now: moment(job.scheduled_at, now), sort="due", quiet=True,
           told="never starts before"),
    Column("started", "STARTED", 11, lambda job, now: moment(job.started_at, now), sort="started", quiet=True,
           told="when its newest attempt began"),
    Column("finished", "FINISHED", 11, lambda job, now: moment(job.finished_at, now), sort="finished", quiet=True,
           told="when it ended"),
    Column("wait", "WAIT", 6, waited, sort="wait", right=True, quiet=True, told="time from due to start"),
    Column("took", "TOOK", 6, took, sort="took", right=True, quiet=True, told="time its newest attempt took"),
    Column("worker", "WORKER", 8, lambda job, _: safe(job.worker or "—"), sort="worker", quiet=True, most=24,
           told="who runs it, or ran it last"),
    Column("tags", "TAGS", 6, _tags, sort="tags", quiet=True, most=20, told="its tags"),
    Column("unique", "UNIQUE KEY", 10, lambda job, _: safe(job.unique_key or "—"), sort="unique", quiet=True, most=24,
           told="one job at a time has it"),
    Column("batch", "BATCH", 5, lambda job, _: "—" if job.batch is None else str(job.batch), sort="batch", right=True,
           quiet=True, most=12, told="the batch it belongs to"),
    Column("progress", "PROGRESS", 11, lambda job, _: progress(job), sort="progress", told="how far it says it is"),
    Column("detail", "DETAIL", 0, lambda job, _: "", sort="error", told="its error, when it is due, its arguments"),
)  # fmt: skip

COLUMNS = {column.key: column for column in _COLUMNS}
"""Every column there is, by its key."""
USUAL = ("state", "id", "kind", "queue", "priority", "attempt", "age", "took", "detail")
"""The columns that are shown until a person chooses others."""
SORTS = {
    **{column.sort: column.title.lower() for column in _COLUMNS if column.key != "created"},
    "age": "created",
    "priority": "priority",
    "attempt": "attempts",
    "error": "error",
    "args": "arguments",
}
"""Every order there is, with its name."""

_DROPPED = ("took", "queue", "priority")
"""Which of the usual columns go, first to last, where there is no room for the detail."""
_DETAIL_WANTS = 18
_DROPPED_LAST = ("attempt", "age")
"""Which go then, where the detail would be no more than a few letters."""
_DETAIL_NEEDS = 8


def known(keys: Iterable[object]) -> tuple[str, ...]:
    """Those of the keys that name a column, each once; the usual ones where none does. Takes whatever was remembered."""
    found = tuple(dict.fromkeys(key for key in keys if isinstance(key, str) and key in COLUMNS))
    return found or USUAL


def choose_columns(
    width: int, jobs: Iterable[Job], keys: Sequence[str] = USUAL, now: Now | None = None, sorted_by: str = ""
) -> list[tuple[Column, int]]:
    """The columns that fit into `width` cells, with their widths.

    Where there is no room the usual ones go in the order of their importance, and of those that a person has chosen the
    one that stands last; what remains is at least the first.
    """
    now = now or Now(0.0)
    shown = [COLUMNS[key] for key in keys]
    widths = {column.key: column.width for column in shown}
    growing = [column for column in shown if column.most]
    for job in jobs:
        for column in growing:
            text = column.show(job, now)
            length = len(text) if text.isascii() else cell_len(text)
            if length > widths[column.key]:
                widths[column.key] = min(column.most, length)
    for column in shown:
        if column.sort == sorted_by and column.width:  # room for the arrow
            widths[column.key] = max(widths[column.key], len(column.title) + 2)
    usual = tuple(keys) == USUAL
    for key, wide, narrow in (("kind", 26, 18), ("queue", 12, 9)):
        if key in widths and width >= 150:
            widths[key] = wide
        elif key in widths and width < 100:
            widths[key] = narrow

    def left() -> int:
        """What the detail gets: the sign of the row, the columns and the gaps between them are not its."""
        return width - 2 - sum(widths[column.key] for column in shown if column.width) - (len(shown) - 1)

    wanted = _DETAIL_WANTS if "detail" in keys else 0
    going = list(_DROPPED) if usual else [key for key in reversed(keys[1:]) if key != "detail"]
    for drop in going:
        if left() >= wanted:
            break
        shown = [column for column in shown if column.key != drop]
    for drop in _DROPPED_LAST if usual else ():
        if left() >= _DETAIL_NEEDS:
            break
        shown = [column for column in shown if column.key != drop]
    return [(column, widths[column.key] or max(0, left())) for column in shown]
