"""A job that a server has checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...model.jobs import NewJob


@dataclass(frozen=True, slots=True, kw_only=True)  # it inherits, which a record cannot
class CheckedJob(NewJob):
    """A job that the server has checked, and what it is to check again when the job is enqueued."""

    request: Mapping[str, Any]


def request_of(job: NewJob) -> Mapping[str, Any]:
    """Return what is to be sent to enqueue the job."""
    assert isinstance(job, CheckedJob), "a job must be checked by the queue that it is enqueued in"
    return job.request
