"""What ties a job to a schedule. Pure; the commands and the cockpit share it."""

from __future__ import annotations

from jobdeck import Job

_TAG = "schedule:"
"""The jobs of a schedule bear a tag that begins so."""


def schedule_of(job: Job) -> str | None:
    """The name of the schedule that enqueued the job, by its tag."""
    return next((tag.removeprefix(_TAG) for tag in job.tags if tag.startswith(_TAG)), None)
