"""What is wrong with what was typed, by field. Reads the queue, so it belongs on the feed's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobdeck import InvalidArguments, InvalidCron, InvalidOption, JobdeckError, JobNotFound, Queue

from .options import FIELD_OF

Problems = Mapping[str, str]
"""Field → what is wrong with it; `*` stands for the whole, `JSON` for arguments that cannot be read."""


def problems_of_job(queue: Queue, kind: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a job that somebody wants to enqueue."""
    try:
        after = queue.new_job(kind, args, **options).after
    except JobdeckError as error:
        return problem_of(error)
    there = {job.id for job in queue.get_many(after)} if after else set()
    missing = [job_id for job_id in after if job_id not in there]
    return {"after": str(JobNotFound(missing[-1]))} if missing else {}


def problem_of(error: JobdeckError) -> dict[str, str]:
    """An error at its field."""
    if isinstance(error, InvalidArguments):
        return {error.field.partition(".")[0]: error.problem}
    if isinstance(error, InvalidCron):
        return {"cron": error.problem.removeprefix(repr(error.cron)).strip()}
    if isinstance(error, InvalidOption):
        return {FIELD_OF.get(error.option, error.option): error.problem}
    return {"*": str(error)}
