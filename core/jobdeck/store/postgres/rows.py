"""Reading rows of the PostgreSQL tables; what they become is told in `records`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model.jobs import Job
from ...model.states import State
from ..records import JOB_COLUMNS, job_of
from .session import Session, rows_of

_HIGHEST = 2**63 - 1


def possible(ids: Sequence[int]) -> list[int]:
    """Those of the ids that a job can have."""
    return [job_id for job_id in ids if 0 < job_id <= _HIGHEST]


def read_jobs(session: Session, ids: Sequence[int], skew: float) -> Iterator[Job]:
    """The jobs with these ids, in no order."""
    query = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id = ANY(?::bigint[])"
    return map(job_of(skew), session.execute(query, (possible(ids),)))


def lock_jobs(session: Session, ids: Sequence[int]) -> Iterator[Job]:
    """The jobs with these ids, which nobody else changes until the transaction ends.

    Everybody who locks several jobs does so in the order of their ids, or passes over those that are locked, so that two
    transactions do not wait for each other.
    """
    query = f"SELECT {JOB_COLUMNS} FROM jobdeck_jobs WHERE id = ANY(?::bigint[]) ORDER BY id FOR UPDATE"
    return map(job_of(0.0), session.execute(query, (possible(ids),)))


def hold_states(session: Session, ids: Sequence[int]) -> dict[int, State]:
    """The states of those of the jobs that exist, which stay so until the transaction ends."""
    query = "SELECT id, state FROM jobdeck_jobs WHERE id = ANY(?::bigint[]) ORDER BY id FOR SHARE"
    return {job_id: State(state) for job_id, state in rows_of(session, query, (possible(ids),))}
