"""Failures in groups, and one sample failure in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobdeck import Attempt, ErrorGroup, Outcome, Queue, State, record

from ...text.format import group_filter

GroupKey = tuple[str, str, str]
"""Kind, exception and place."""

_JOBS_COUNTED = 1000
"""The number of newest jobs in a group whose states are counted; the total is always exact."""
_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED)


def key_of(group: ErrorGroup) -> GroupKey:
    """Return the key that identifies a group."""
    return (group.kind, group.error_type, group.place)


@record
class ErrorsData:
    """The groups, largest first."""

    at: float
    groups: Sequence[ErrorGroup]


@record
class ErrorsQuery:
    """Reads every group of failures."""

    interval: float = 3.0

    def read(self, queue: Queue) -> ErrorsData:
        """Read the groups."""
        return ErrorsData(queue.clock.now(), queue.history.errors())


@record
class Sample:
    """The newest failure of a group in full, and the jobs whose newest failure belongs to the group."""

    group: ErrorGroup
    attempt: Attempt | None
    """`None` if its job no longer exists."""
    jobs: int
    failed: int
    """The number of them that are failed now: those that a retry of the group would rerun."""
    states: Counter[State]
    """The number of the newest of them in each state."""
    ids: Sequence[int]
    """The ids of the newest of them."""


def read_sample(queue: Queue, group: ErrorGroup) -> Sample:
    """Read the sample of a group. Call on the feed's thread."""
    filter = group_filter(group)
    ids = queue.ids(filter)
    newest = queue.get_many(ids[:_JOBS_COUNTED])
    return Sample(
        group,
        _attempt(queue, group),
        len(ids),
        len(failed_ids(queue, group)),
        Counter(job.state for job in newest),
        [job.id for job in newest],
    )


def failed_ids(queue: Queue, group: ErrorGroup) -> list[int]:
    """Return the jobs of a group that are failed now, oldest first. Call on the feed's thread."""
    return list(queue.ids(f"state:failed {group_filter(group)}", descending=False))


def _attempt(queue: Queue, group: ErrorGroup) -> Attempt | None:
    """Return the newest failure: the one whose time matches the group's last occurrence."""
    for job in queue.get_many(group.job_ids):
        for attempt in reversed(queue.attempts(job.id)):
            failed = attempt.outcome in _FAILED and (attempt.error_type or attempt.outcome) == group.error_type
            if failed and attempt.finished_at == group.last_seen:
                return attempt
    return None
