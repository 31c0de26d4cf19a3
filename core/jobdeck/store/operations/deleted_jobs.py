"""Reads deleted jobs from the journal: a dependent may be restored before the job that it waited for."""

from __future__ import annotations

from ...model.states import Operation, State
from ..backend import SqlConnection, rows_of
from .job_operations import is_cancelled_child
from .journal_writer import decompress

_DELETED = """
SELECT part.before FROM jobdeck_journal_parts AS part JOIN jobdeck_journal AS act ON act.id = part.act
 WHERE act.act = ? AND part.undone = ? ORDER BY part.act, part.part
"""


def states_of_deleted(connection: SqlConnection) -> dict[int, State]:
    """Return the state of each deleted job that an undo could restore, when it was deleted.

    Reads all undo data of deleted jobs, which takes up to some seconds: called only if a job is missing.
    """
    found: dict[int, State] = {}
    for (before,) in rows_of(connection, _DELETED, (Operation.DELETE, False)):
        for entry in decompress(before):
            if not is_cancelled_child(entry):
                names, row = entry[1]
                found[entry[0]] = State(row[names.split(", ").index("state")])
    return found
