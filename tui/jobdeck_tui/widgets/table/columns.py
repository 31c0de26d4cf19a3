"""The columns of the job table: what each shows, its width, and the order in which columns are dropped. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len

from jobdeck import Job, record

from ...text.format import age
from ...text.sanitize import safe
from .cells import Now, format_time, progress, took, waited


@record
class JobColumn:
    """A column. With `width` 0 it takes the remaining width; with a `most` it is as wide as its content, up to that."""

    key: str
    title: str
    width: int
    show: Callable[[Job, Now], str]
    sort: str = ""
    right: bool = False
    quiet: bool = False
    most: int = 0
    description: str = ""
    """The description shown when choosing columns and sort orders."""


def _created(job: Job, now: Now) -> str:
    return age(max(0.0, now.at - job.created_at))


def _tries(job: Job, _: Now) -> str:
    return f"{job.attempt}/{job.max_attempts}"


def _tags(job: Job, _: Now) -> str:
    return safe(" ".join(job.tags)) or "—"


_COLUMNS = (
    JobColumn("state", "STATE", 12, lambda job, _: job.state.value, sort="state", description="the state"),
    JobColumn("id", "ID", 6, lambda job, _: str(job.id), sort="id", right=True, quiet=True, most=20,
           description="the unique number"),
    JobColumn("kind", "KIND", 20, lambda job, _: safe(job.kind), sort="kind", description="the kind of job"),
    JobColumn("queue", "QUEUE", 9, lambda job, _: safe(job.queue), sort="queue", quiet=True, description="the queue"),
    JobColumn("priority", "PRI", 3, lambda job, _: str(job.priority), sort="priority", right=True, quiet=True, most=11,
           description="priority: larger runs first"),
    JobColumn("attempt", "TRY", 4, _tries, sort="attempt", right=True, quiet=True, most=12,
           description="attempts started / allowed"),
    JobColumn("age", "AGE", 6, _created, sort="age", right=True, quiet=True, description="time since it was enqueued"),
    JobColumn("created", "CREATED", 11, lambda job, now: format_time(job.created_at, now), sort="age", quiet=True,
           description="time it was enqueued"),
    JobColumn("due", "DUE", 11, lambda job, now: format_time(job.scheduled_at, now), sort="due", quiet=True,
           description="earliest start"),
    JobColumn("started", "STARTED", 11, lambda job, now: format_time(job.started_at, now), sort="started", quiet=True,
           description="start of the newest attempt"),
    JobColumn("finished", "FINISHED", 11, lambda job, now: format_time(job.finished_at, now), sort="finished", quiet=True,
           description="time it finished"),
    JobColumn("wait", "WAIT", 6, waited, sort="wait", right=True, quiet=True, description="time from due to start"),
    JobColumn("took", "TOOK", 6, took, sort="took", right=True, quiet=True, description="duration of the newest attempt"),
    JobColumn("worker", "WORKER", 8, lambda job, _: safe(job.worker or "—"), sort="worker", quiet=True, most=24,
           description="the worker of the newest attempt"),
    JobColumn("tags", "TAGS", 6, _tags, sort="tags", quiet=True, most=20, description="the tags"),
    JobColumn("unique", "UNIQUE KEY", 10, lambda job, _: safe(job.unique_key or "—"), sort="unique", quiet=True, most=24,
           description="held by one job at a time"),
    JobColumn("batch", "BATCH", 5, lambda job, _: "—" if job.batch is None else str(job.batch), sort="batch", right=True,
           quiet=True, most=12, description="the batch"),
    JobColumn("progress", "PROGRESS", 11, progress, sort="progress", most=24, description="the reported progress"),
    JobColumn("detail", "DETAIL", 0, lambda job, _: "", sort="error", description="error, due time or arguments"),
)  # fmt: skip

COLUMNS = {column.key: column for column in _COLUMNS}
"""All columns by key."""
DEFAULT_COLUMNS = ("state", "id", "kind", "queue", "priority", "attempt", "age", "took", "detail")
"""The default columns."""
SORTS = {
    **{column.sort: column.title.lower() for column in _COLUMNS if column.key != "created"},
    "age": "created",
    "priority": "priority",
    "attempt": "attempts",
    "error": "error",
    "args": "arguments",
}
"""All sort orders, with their names."""

_DROPPED = ("took", "queue", "priority")
"""The default columns to drop, in order, until the detail fits."""
_DETAIL_WANTS = 18
_DROPPED_LAST = ("attempt", "age")
"""The columns to drop next if the detail would be only a few letters wide."""
_DETAIL_NEEDS = 8


def known_columns(keys: Iterable[object]) -> tuple[str, ...]:
    """Return the keys that name a column, without duplicates; the default columns if none does. Accepts any stored value."""
    found = tuple(dict.fromkeys(key for key in keys if isinstance(key, str) and key in COLUMNS))
    return found or DEFAULT_COLUMNS


def choose_columns(
    width: int, jobs: Iterable[Job], keys: Sequence[str] = DEFAULT_COLUMNS, now: Now | None = None, sorted_by: str = ""
) -> list[tuple[JobColumn, int]]:
    """Return the columns that fit into `width` cells, with their widths.

    Drops default columns by importance, and columns that the user has chosen from the last; always keeps the first.
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
        if column.sort == sorted_by and column.width:  # space for the arrow
            widths[column.key] = max(widths[column.key], len(column.title) + 2)
    usual = tuple(keys) == DEFAULT_COLUMNS
    for key, wide, narrow in (("kind", 26, 18), ("queue", 12, 9)):
        if key in widths and width >= 150:
            widths[key] = wide
        elif key in widths and width < 100:
            widths[key] = narrow

    def detail_width() -> int:
        """Return the width of the detail: what the row marks, the other columns and the gaps leave."""
        return width - 2 - sum(widths[column.key] for column in shown if column.width) - (len(shown) - 1)

    wanted = _DETAIL_WANTS if "detail" in keys else 0
    droppable = list(_DROPPED) if usual else [key for key in reversed(keys[1:]) if key != "detail"]
    for drop in droppable:
        if detail_width() >= wanted:
            break
        shown = [column for column in shown if column.key != drop]
    for drop in _DROPPED_LAST if usual else ():
        if detail_width() >= _DETAIL_NEEDS:
            break
        shown = [column for column in shown if column.key != drop]
    return [(column, widths[column.key] or max(0, detail_width())) for column in shown]
