"""What fails, alike failures together, and one of them whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jobdeck import Attempt, ErrorGroup, Outcome, Queue, State

from ...text.format import group_filter

GroupKey = tuple[str, str, str]
"""Kind, exception and place."""

_JOBS_WEIGHED = 1000
"""Of a group's jobs the states of the newest so many are told; how many there are is told in any case."""
_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED)


def key_of(group: ErrorGroup) -> GroupKey:
    """What tells a group from the others."""
    return (group.kind, group.error_type, group.place)


@dataclass(frozen=True, slots=True)
class ErrorsSeen:
    """The groups, the largest first."""

    at: float
    groups: Sequence[ErrorGroup]


@dataclass(frozen=True, slots=True)
class ErrorsLook:
    """Every group of failures."""

    every: float = 3.0

    def read(self, queue: Queue) -> ErrorsSeen:
        """Read them."""
        return ErrorsSeen(queue.clock.now(), queue.history.errors())


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest failure of a group, whole, and the jobs whose newest failure is of the group."""

    group: ErrorGroup
    attempt: Attempt | None
    """`None` if its job is gone."""
    jobs: int
    failed: int
    """How many of them are failed now: what a retry of the group would run again."""
    states: Counter[State]
    """Of the newest of them, how many are in each state."""
    ids: Sequence[int]
    """The newest of them."""


def read_sample(queue: Queue, group: ErrorGroup) -> Sample:
    """Read the sample of a group; called on the feed's thread."""
    filter = group_filter(group)
    ids = queue.ids(filter)
    newest = queue.get_many(ids[:_JOBS_WEIGHED])
    return Sample(
        group,
        _attempt(queue, group),
        len(ids),
        len(failed_ids(queue, group)),
        Counter(job.state for job in newest),
        [job.id for job in newest],
    )


def failed_ids(queue: Queue, group: ErrorGroup) -> list[int]:
    """The jobs of a group that are failed now, oldest first; called on the feed's thread."""
    return list(queue.ids(f"state:failed {group_filter(group)}", descending=False))


def _attempt(queue: Queue, group: ErrorGroup) -> Attempt | None:
    """The newest failure: that of the job named first, at the moment when the group was last seen."""
    for job in queue.get_many(group.job_ids):
        for attempt in reversed(queue.attempts(job.id)):
            failed = attempt.outcome in _FAILED and (attempt.error_type or attempt.outcome) == group.error_type
            if failed and attempt.finished_at == group.last_seen:
                return attempt
    return None
