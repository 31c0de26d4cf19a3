"""Results of an enqueue: which jobs are new, and which ones already held the unique key. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobdeck import Enqueued, Job, NewJob, OnConflict, record

from .sanitize import safe


@record
class EnqueueResult:
    """The result of enqueueing one job."""

    job: Job
    """The new job, or the existing one that holds its key."""
    new: bool
    replaced: bool = False
    """`True` if the existing job took over the arguments, priority and time."""

    @property
    def sentence(self) -> str:
        """Explain why no new job was enqueued."""
        holder = f"Job {self.job.id} ({self.job.state}) already holds the unique key {safe(repr(self.job.unique_key))}"
        if self.replaced:
            return f"{holder}; its arguments, priority and time were replaced."
        return f"{holder}; nothing was enqueued."


def enqueue_results(enqueued: Sequence[Enqueued], drafts: Sequence[NewJob]) -> list[EnqueueResult]:
    """Return the result of each draft: `enqueued` is what `Queue.enqueue_new` returned for them."""
    return [
        EnqueueResult(
            each.job,
            each.new,
            replaced=not each.new and draft.on_conflict is OnConflict.REPLACE and each.job.state.is_queued,
        )
        for each, draft in zip(enqueued, drafts, strict=True)
    ]
