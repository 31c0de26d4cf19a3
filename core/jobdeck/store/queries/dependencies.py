"""Reads which jobs a job came after, and which came after it."""

from __future__ import annotations

from ...model.jobs import Dependencies
from ..backend import SqlConnection, rows_of
from ..records import policy_of, state_of

_MOST = 1000
"""The number of parents, and of children, that are read at most."""
_PARENTS = """
SELECT bond.parent, job.state, EXISTS (SELECT 1 FROM jobdeck_waits WHERE parent = bond.parent AND child = bond.child)
  FROM jobdeck_after AS bond LEFT JOIN jobdeck_jobs AS job ON job.id = bond.parent
 WHERE bond.child = ? ORDER BY bond.parent LIMIT ?
"""
_CHILDREN = """
SELECT job.id, job.state FROM jobdeck_after AS bond JOIN jobdeck_jobs AS job ON job.id = bond.child
 WHERE bond.parent = ? ORDER BY job.id LIMIT ?
"""


def read_dependencies(connection: SqlConnection, job_id: int) -> Dependencies:
    """See `JobReader.dependencies`."""
    policy = rows_of(connection, "SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job_id,))
    if not policy:
        return Dependencies()
    parents = rows_of(connection, _PARENTS, (job_id, _MOST))
    children = rows_of(connection, _CHILDREN, (job_id, _MOST))
    return Dependencies(
        parents={parent: None if state is None else state_of(state) for parent, state, _ in parents},
        waits_for=tuple(parent for parent, _, waits in parents if waits),
        if_parent_fails=policy_of(policy[0][0]),
        children={child: state_of(state) for child, state in children},
    )
