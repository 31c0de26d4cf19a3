"""Reads jobs from the PostgreSQL tables, and locks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model.jobs import Job
from ...model.states import State
from ..backend import rows_of
from ..records import JOB_COLUMNS, job_reader, state_of
from .session import Session

_HIGHEST = 2**63 - 1


def possible(ids: Sequence[int]) -> list[int]:
    """Return the ids that a job can have."""
    return [job_id for job_id in ids if 0 < job_id <= _HIGHEST]


def read_jobs(session: Session, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """Return the jobs with these ids, in no order."""
    query = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id = ANY(?::bigint[])"
    return map(job_reader(skew), session.execute(query, (possible(ids),)))


def lock_jobs(session: Session, ids: Sequence[int]) -> Iterator[Job]:
    """Lock the jobs with these ids until the transaction ends, and return them.

    Every transaction that locks several jobs does so in the order of their ids, or skips the locked ones, so that two
    transactions do not wait for each other.
    """
    query = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id = ANY(?::bigint[]) ORDER BY id FOR UPDATE"
    return map(job_reader(0.0), session.execute(query, (possible(ids),)))


def lock_states(session: Session, ids: Sequence[int]) -> dict[int, State]:
    """Lock the states of these jobs until the transaction ends, and return those that exist."""
    query = "SELECT id, state FROM jobdeck_jobs WHERE id = ANY(?::bigint[]) ORDER BY id FOR SHARE"
    return {job_id: state_of(state) for job_id, state in rows_of(session, query, (possible(ids),))}
