"""The jobs that people have deleted, as the journal knows them: whoever waited for one may come back before it does."""

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
    """Job → its state when it was deleted, of all that an undo could bring back.

    Reads all that the journal keeps of deleted jobs: up to some seconds, for those who miss a job only.
    """
    found: dict[int, State] = {}
    for (before,) in rows_of(connection, _DELETED, (Operation.DELETE, False)):
        for entry in decompress(before):
            if not is_cancelled_child(entry):
                names, row = entry[1]
                found[entry[0]] = State(row[names.split(", ").index("state")])
    return found
