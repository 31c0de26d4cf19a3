"""Which jobs a job came after, and which came after it."""

from __future__ import annotations

from ...model.jobs import Family, IfParentFails
from ...model.states import State
from ..backend import Sql, rows_of

_SHOWN = 1000
"""Of each, at most so many are read for people to look at."""
_PARENTS = """
SELECT bond.parent, job.state, EXISTS (SELECT 1 FROM jobdeck_waits WHERE parent = bond.parent AND child = bond.child)
  FROM jobdeck_after AS bond LEFT JOIN jobdeck_jobs AS job ON job.id = bond.parent
 WHERE bond.child = ? ORDER BY bond.parent LIMIT ?
"""
_AFTER_IT = """
SELECT job.id, job.state FROM jobdeck_after AS bond JOIN jobdeck_jobs AS job ON job.id = bond.child
 WHERE bond.parent = ? ORDER BY job.id LIMIT ?
"""


def read_family(connection: Sql, job_id: int) -> Family:
    """See `Store.get_family`."""
    policy = rows_of(connection, "SELECT if_parent_fails FROM jobdeck_jobs WHERE id = ?", (job_id,))
    if not policy:
        return Family()
    parents = rows_of(connection, _PARENTS, (job_id, _SHOWN))
    children = rows_of(connection, _AFTER_IT, (job_id, _SHOWN))
    return Family(
        parents={parent: None if state is None else State(state) for parent, state, _ in parents},
        waits_for=tuple(parent for parent, _, waits in parents if waits),
        if_parent_fails=IfParentFails(policy[0][0]),
        children={child: State(state) for child, state in children},
    )
