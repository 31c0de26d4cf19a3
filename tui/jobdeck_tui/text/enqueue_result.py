"""Results of an enqueue: which jobs are new, and which ones already held the unique key. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobdeck import Job, NewJob, OnConflict, record

from .sanitize import safe


@record
class EnqueueResult:
    """The result of enqueueing one job."""

    job: Job
    """The new job, or the existing one that holds its key."""
    new: bool
    replaced: bool = False
    """Whether the existing job took over the arguments, priority and time."""

    @property
    def sentence(self) -> str:
        """Explain why no new job was enqueued."""
        holder = f"Job {self.job.id} ({self.job.state}) already holds the unique key {safe(repr(self.job.unique_key))}"
        if self.replaced:
            return f"{holder}; its arguments, priority and time were replaced."
        return f"{holder}; nothing was enqueued."


def classify(newest: Sequence[Job], jobs: Sequence[Job], drafts: Sequence[NewJob]) -> list[EnqueueResult]:
    """Return the result of each draft. Read `newest` and enqueue in one transaction.

    Args:
        newest: the newest job before the enqueue, if there was one. Ids are never reused, so higher ids are new.
        jobs: the result of `Queue.enqueue_many`.
        drafts: its argument.
    """
    last_id = newest[0].id if newest else 0
    arrivals = []
    known = set[int]()
    for job, draft in zip(jobs, drafts, strict=True):
        new = job.id > last_id and job.id not in known
        known.add(job.id)
        replaced = not new and draft.on_conflict is OnConflict.REPLACE and job.state.is_queued
        arrivals.append(EnqueueResult(job, new, replaced))
    return arrivals
