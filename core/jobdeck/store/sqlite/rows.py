"""Reads jobs from the SQLite tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apsw

from ...json_functions import json
from ...model.jobs import Job
from ...model.states import State
from ..records import JOB_COLUMNS, job_reader, state_of


def read_jobs(connection: apsw.Connection, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """Return the jobs with these ids, in no order."""
    rows = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return map(job_reader(skew), rows)


def read_states(connection: apsw.Connection, ids: Sequence[int]) -> dict[int, State]:
    """Return the states of those of the jobs that exist."""
    query = "SELECT id, state FROM jobdeck_jobs WHERE id IN (SELECT value FROM json_each(?))"
    return {job_id: state_of(state) for job_id, state in connection.execute(query, (json.dumps(list(ids)),))}
