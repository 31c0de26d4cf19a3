"""Validate typed values and report problems by field. Reads the queue, so call it on the feed's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobdeck import InvalidArguments, InvalidCron, InvalidOption, JobdeckError, JobNotFound, Queue

from .options import FIELD_OF

Problems = Mapping[str, str]
"""Field → problem; `*` stands for the whole form, `JSON` for arguments that cannot be parsed."""


def problems_of_job(queue: Queue, kind: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    """Return the problems of a job to enqueue."""
    try:
        after = queue.new_job(kind, args, **options).after
    except JobdeckError as error:
        return error_to_problem(error)
    existing = {job.id for job in queue.get_many(after)} if after else set()
    missing = [job_id for job_id in after if job_id not in existing]
    return {"after": str(JobNotFound(missing[-1]))} if missing else {}


def error_to_problem(error: JobdeckError) -> dict[str, str]:
    """Return an error as the problem of its field."""
    if isinstance(error, InvalidArguments):
        return {error.field.partition(".")[0]: error.problem}
    if isinstance(error, InvalidCron):
        return {"cron": error.problem.removeprefix(repr(error.cron)).strip()}
    if isinstance(error, InvalidOption):
        return {FIELD_OF.get(error.option, error.option): error.problem}
    return {"*": str(error)}
