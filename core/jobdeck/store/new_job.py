"""Converts new jobs to rows and records, for every store."""

from __future__ import annotations

from collections.abc import Sequence

from ..json_functions import json
from ..model.jobs import Job, NewJob
from ..model.states import State
from .records import make_job

_UNIQUE_FINAL = {State.COMPLETED: 1, State.FAILED: 2, State.CANCELLED: 4}


def initial_state(new: NewJob, now: float) -> tuple[float, State]:
    """Return when the job is due, and its initial state unless it waits for others."""
    due = now if new.scheduled_at is None else new.scheduled_at
    return due, State.PENDING if due <= now else State.SCHEDULED


def new_job_record(new: NewJob, job_id: int, due: float, state: State, now: float, batch: int | None) -> Job:
    """Return the record of a job that was just stored."""
    return make_job(
        (
            *(job_id, new.kind, new.args_json, new.queue, new.priority, state, 0, new.max_attempts, now, due),
            *(None, None, None, None, None, new.timeout, False, None, 0, new.expires_at, new.unique_key, batch),
            *(new.backoff_json, new.tags, None, None, None, None, new.trace),
        )
    )


def batch_total(jobs: Sequence[NewJob]) -> str:
    """Return the SQL of the new total of a batch (`?1`) after these jobs were inserted, some of them perhaps not."""
    if any(new.unique_key is not None for new in jobs):  # the holder of a key that was taken is not part of the batch
        return "(SELECT count(*) FROM jobdeck_jobs WHERE batch = ?1)"
    return f"total + {len(jobs)}"


def encode_tags(new: NewJob) -> str:
    """Encode its tags for storage."""
    return json.dumps(new.tags) if new.tags else "[]"


def unique_states_mask(new: NewJob) -> int:
    """Encode the final states in which it keeps its key: see `unique_final` in the schema."""
    return sum(_UNIQUE_FINAL[each] for each in new.unique_final)
