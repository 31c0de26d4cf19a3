"""Enqueued jobs told apart: those that are new, and those that held the unique key of a new one already. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobdeck import Job, NewJob, OnConflict

from .sanitize import safe


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


def told_apart(newest: Sequence[Job], jobs: Sequence[Job], drafts: Sequence[NewJob]) -> list[Arrival]:
    """What came of each draft, in one transaction: first look, then enqueue.

    Args:
        newest: the newest job that there was before, if there was one. Ids are never used again, so what is above it
            is new.
        jobs: what `Queue.enqueue_many` returned.
        drafts: what it was given.
    """
    above = newest[0].id if newest else 0
    arrivals = []
    known = set[int]()
    for job, draft in zip(jobs, drafts, strict=True):
        new = job.id > above and job.id not in known
        known.add(job.id)
        replaced = not new and draft.on_conflict is OnConflict.REPLACE and job.state.is_queued
        arrivals.append(Arrival(job, new, replaced))
    return arrivals
