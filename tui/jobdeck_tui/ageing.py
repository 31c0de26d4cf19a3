"""What a job's priority counts as by its age. Pure; the commands and the cockpit share it."""

from __future__ import annotations

from jobdeck import Job, State, effective_priority


def aged_priority(job: Job, now: float, ageing: float) -> int | None:
    """The priority that a claim goes by; `None` where priorities do not age, or the job is not ready.

    Args:
        job: the job.
        now: seconds since 1970 UTC.
        ageing: seconds, see JOBDECK_AGEING.
    """
    if not ageing or job.state is not State.PENDING:
        return None
    return effective_priority(job.priority, job.scheduled_at, now, ageing)
