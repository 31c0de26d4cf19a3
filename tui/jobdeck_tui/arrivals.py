"""Into the queue, told apart: jobs that are new, and jobs that held the unique key of a new one already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobdeck import Job, NewJob, OnConflict, Queue

from .text import safe


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of one drafted job."""

    job: Job
    """The new job, or the one that holds its key."""
    new: bool
    replaced: bool = False
    """The job that holds the key took over the arguments, priority and time."""

    @property
    def sentence(self) -> str:
        """For a person who expected a new job."""
        held = f"Job {self.job.id} holds the key {safe(repr(self.job.unique_key))} already"
        if self.replaced:
            return f"{held}, and has the new arguments, priority and time now."
        return f"{held}, and is {self.job.state}; nothing was enqueued."


def enqueue(queue: Queue, drafts: Sequence[NewJob]) -> list[Arrival]:
    """Put the jobs in, in one commit. Raises as `Queue.enqueue_many` does."""
    if all(draft.unique_key is None for draft in drafts):
        return [Arrival(job, new=True) for job in queue.enqueue_many(drafts)]
    with queue.transaction():
        # Ids are never used again, so inside one transaction whatever is above the newest is new.
        newest = queue.list(limit=1)
        jobs = queue.enqueue_many(drafts)
    above = newest[0].id if newest else 0
    arrivals = []
    known = set[int]()
    for job, draft in zip(jobs, drafts, strict=True):
        new = job.id > above and job.id not in known
        known.add(job.id)
        replaced = not new and draft.on_conflict is OnConflict.REPLACE and job.state.is_queued
        arrivals.append(Arrival(job, new, replaced))
    return arrivals
