"""Retry jobs that this process cannot start, because its program has another signature for the kind, or no such kind.

During a deploy, workers and the programs that enqueue are of different versions for a while. The handler has not started, so
such an attempt does not use up one of the job's: its maximum grows by one, for the first `LIMIT` attempts, about half a day.
"""

from __future__ import annotations

from random import Random

from ..kinds.registry import Entry
from ..model.errors import ArgumentsMismatch, UnknownKind
from ..model.foreign_errors import is_error
from ..model.jobs import Job

LIMIT = 24
"""The attempt from which a job that does not fit uses up its own attempts."""
FIRST = 10.0
"""The first step of the delay, in seconds; each later one is twice as long. A delay is from half a step to a step."""
CAP = 3600.0
"""The longest step, in seconds."""


def is_mismatch(error: BaseException, entry: Entry | None) -> bool:
    """Report whether an attempt failed before its handler started; `entry` is the job's kind, if this process knows it."""
    return is_error(error, ArgumentsMismatch) or (entry is None and is_error(error, UnknownKind))


def mismatch_delay(job: Job, random: Random) -> float:
    """Return the seconds until another worker may try: long enough for a deploy to end before the attempts do."""
    step = min(CAP, FIRST * 2.0 ** min(job.attempt - 1, 60))
    return step * (0.5 + random.random() / 2)


def extra_attempts(job: Job) -> int:
    """Return by how much the job's maximum number of attempts grows: by the one that did not start its handler."""
    return 1 if job.attempt < LIMIT else 0
