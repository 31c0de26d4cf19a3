"""The journal of a store: lists, undoes and redoes operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...json_functions import json
from ...model.errors import (
    InvalidJournalEntry,
    JobdeckError,
    JobNotFound,
    JournalEntryNotFound,
    NothingToUndo,
    RowDamaged,
    UndoDataDamaged,
    WrongState,
)
from ...model.jobs import Job
from ...model.journal import SCHEDULE_OPERATIONS, JournalEntry, UndoResult
from ...model.states import Operation, allows
from ..backend import Backend, SqlConnection, retried, rows_of
from ..records import Row, RowCheck
from . import config_changes, deletion, edits, job_operations, pauses
from .deleted_jobs import states_of_deleted
from .job_operations import is_cancelled_child
from .journal_writer import UNKNOWN_ACTOR, add_part, compress, decompress, trim
from .service import cancel_dependents
from .unit_of_work import UndoData, UnitOfWork

_COLUMNS = "id, at, who, act, n, kept, told, undone, undone_at, undone_by"
_check = RowCheck("jobdeck_journal", _COLUMNS)
# The newest first: the last part of an operation is undone first, and the last one undone is redone first.
_PARTS = "SELECT part FROM jobdeck_journal_parts WHERE act = ? AND undone = ? ORDER BY part DESC"
# The parts that fit into so many bytes together, and one that exceeds them. Of the others only the length is read.
_NEWEST_PARTS = """
WITH sized AS (
  SELECT part.act, part.part, length(part.before) AS size,
         sum(length(part.before)) OVER (ORDER BY part.act DESC, part.part DESC) AS upto
    FROM jobdeck_journal_parts AS part JOIN jobdeck_journal AS act ON act.id = part.act
   WHERE act.at >= ?1 AND act.act NOT IN (?2, ?3) AND length(part.before) <= ?4)
SELECT part.act, part.before FROM sized JOIN jobdeck_journal_parts AS part ON part.act = sized.act AND part.part = sized.part
 WHERE sized.upto - sized.size < ?4 ORDER BY part.act DESC, part.part DESC
"""

OPERATIONS = {
    Operation.CANCEL: job_operations.CANCEL,
    Operation.RETRY: job_operations.RETRY,
    Operation.REPRIORITIZE: job_operations.REPRIORITIZE,
    Operation.EDIT: edits.EDIT,
    Operation.DELETE: deletion.DELETE,
}
READ_BYTES = 256 << 10
"""Bytes of the journal's newest parts that are searched for the operations on one job."""
Refused = dict[int | str, JobdeckError]
UndoOrRedo = Callable[[UnitOfWork, UndoData], UndoData]
"""Undoes or redoes the operation on one job; returns what it takes to revert that. Raises a `JobdeckError` if it cannot."""


class SqlJournal:
    """The journal in the tables of the queue. `Operations` and its siblings write to it, each in its own transaction."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def undo(self, entry_id: int | None = None, *, by: str = UNKNOWN_ACTOR.name, actor: str | None = None) -> UndoResult:
        """Undo an operation, some hundred jobs in each transaction, for every job that has not changed since.

        An undo that is interrupted (a crash, a full disk) continues when its entry is undone again by its id.

        Args:
            entry_id: the journal entry; the newest that was not undone, or tried to be, if `None`.
            by: the actor of the undo.
            actor: without an `entry_id`: only an operation of this actor.

        Raises:
            NothingToUndo: there is no such operation.
            JournalEntryNotFound: no entry has this id.
            InvalidJournalEntry: it is undone already.
        """
        found, parts = self._begin_undo(entry_id, by, actor)
        done, refused = self._process(found, parts, redo=False)
        if not done:
            self._exclude_from_next(found)
        act = self._read_entry(found)
        return UndoResult(act, tuple(done), refused, max(0, act.n - act.undone - len(refused)))

    def redo(self, entry_id: int | None = None, *, actor: str | None = None) -> UndoResult:
        """Redo an undone operation, for the jobs for which it was undone and which have not changed since.

        Args:
            entry_id: the journal entry; the last one undone, unless its actor has done something new since, if `None`.
            actor: without an `entry_id`: only an operation that this actor has undone.

        Raises:
            NothingToUndo: there is no such operation.
            JournalEntryNotFound: no entry has this id.
            InvalidJournalEntry: it is not undone.
        """
        found, parts = self._begin_redo(entry_id, actor)
        done, refused = self._process(found, parts, redo=True)
        if done:
            self._update_entry(found, "undone_at = NULL, undone_by = NULL, undone_no = NULL")
        else:
            self._exclude_from_next(found)
        return UndoResult(self._read_entry(found), tuple(done), refused)

    def entries(self, limit: int) -> list[JournalEntry]:
        """Return the newest entries, newest first."""
        with self._backend.read_transaction() as connection:
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_journal ORDER BY id DESC LIMIT ?", (limit,))
        return [_make_entry(row) for row in rows]

    def of_job(self, job_id: int, since: float, max_bytes: int = READ_BYTES) -> list[JournalEntry]:
        """Return the operations on one job, oldest first, found in the newest `max_bytes` of the entries after `since`."""
        # The parts are compressed, so they have to be read; the newest say most, and a bound keeps it fast.
        found: list[int] = []
        with self._backend.read_transaction() as connection:
            for act, before in connection.execute(_NEWEST_PARTS, (since, pauses.PAUSE, pauses.RESUME, max_bytes)):
                if act not in found and any(entry[0] == job_id for entry in decompress(before)):
                    found.append(act)
            query = f"SELECT {_COLUMNS} FROM jobdeck_journal WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
            rows = rows_of(connection, query, (json.dumps(found),))
        return [_make_entry(row) for row in rows]

    @retried
    def prune(self) -> int:
        """Delete entries that are too old, too many or, together, too large; return their number."""
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            return trim(connection, self._backend.now(connection))

    # -- an undo and its parts, each a transaction of its own, which is retried on a conflict ----------------------------------

    @retried
    def _begin_undo(self, entry_id: int | None, by: str, actor: str | None) -> tuple[int, list[int]]:
        """Find the entry, mark it as undone, and return it and its parts."""
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            found = entry_id or _find_entry(connection, "undone_at IS NULL AND who = coalesce(?, who) ORDER BY id DESC", actor)
            if found is None:
                raise NothingToUndo(actor)
            parts = self._parts(connection, found, redo=False)
            connection.execute(
                "UPDATE jobdeck_journal SET undone_at = ?, undone_by = ?,"
                " undone_no = (SELECT coalesce(max(undone_no), 0) + 1 FROM jobdeck_journal) WHERE id = ?",
                (self._backend.now(connection), by, found),
            )
        return found, parts

    @retried
    def _begin_redo(self, entry_id: int | None, actor: str | None) -> tuple[int, list[int]]:
        """Find the entry, and return it and its parts."""
        with self._backend.write_transaction() as connection:
            self._backend.lock_journal(connection)
            newest = "undone_no IS NOT NULL AND undone_by = coalesce(?, undone_by) ORDER BY undone_no DESC"
            found = entry_id or _find_entry(connection, newest, actor)
            if found is None:
                raise NothingToUndo(actor, redo=True)
            return found, self._parts(connection, found, redo=True)

    def _parts(self, connection: SqlConnection, entry_id: int, *, redo: bool) -> list[int]:
        """Return the parts of the entry to undo or redo."""
        if not rows_of(connection, "SELECT id FROM jobdeck_journal WHERE id = ?", (entry_id,)):
            raise JournalEntryNotFound(entry_id)
        parts = [row[0] for row in rows_of(connection, _PARTS, (entry_id, redo))]
        if not parts:
            raise InvalidJournalEntry(entry_id, redo=redo)
        return parts

    def _exclude_from_next(self, entry_id: int) -> None:
        """Nothing of the entry could be undone or redone: exclude it from the search for the next one."""
        self._update_entry(entry_id, "undone_no = NULL")

    @retried
    def _update_entry(self, entry_id: int, assignments: str) -> None:
        with self._backend.write_transaction() as connection:
            connection.execute(f"UPDATE jobdeck_journal SET {assignments} WHERE id = ?", (entry_id,))

    def _read_entry(self, entry_id: int) -> JournalEntry:
        with self._backend.read_transaction() as connection:
            for row in rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_journal WHERE id = ?", (entry_id,)):
                return _make_entry(row)
        raise JournalEntryNotFound(entry_id)

    def _process(self, entry_id: int, parts: list[int], *, redo: bool) -> tuple[list[int | str], Refused]:
        done: list[int | str] = []
        refused: Refused = {}
        try:
            while parts:
                before, refused = len(done), {}
                for part in parts:
                    processed, left = self._process_one(entry_id, part, redo=redo)
                    done = processed + done  # in the order of the operation
                    refused |= left
                # A refused job may have missed one that was restored after it.
                parts = self._remaining_parts(entry_id, redo=redo) if refused and len(done) > before else []
        finally:  # the processed parts stay, even if a later one fails
            if done:
                self._backend.notify()
        return done, refused

    def _remaining_parts(self, entry_id: int, *, redo: bool) -> list[int]:
        with self._backend.read_transaction() as connection:
            return [row[0] for row in rows_of(connection, _PARTS, (entry_id, redo))]

    @retried
    def _process_one(self, entry_id: int, part: int, *, redo: bool) -> tuple[list[int | str], Refused]:
        refused: Refused = {}
        with self._backend.write_transaction() as connection:
            return _process_part(self._backend, connection, entry_id, part, refused, redo=redo), refused


def _find_entry(connection: SqlConnection, condition: str, actor: str | None) -> int | None:
    """Return the first entry that meets the condition."""
    found: int | None = connection.execute(f"SELECT id FROM jobdeck_journal WHERE {condition} LIMIT 1", (actor,)).get
    return found


def _process_part(
    backend: Backend, connection: SqlConnection, entry_id: int, part: int, refused: Refused, *, redo: bool
) -> list[int | str]:
    """Undo or redo a part, except for the jobs that refuse it; return the processed jobs."""
    backend.lock_journal(connection)
    rows = rows_of(
        connection,
        "SELECT act.act, part.at, part.before FROM jobdeck_journal_parts AS part JOIN jobdeck_journal AS act"
        " ON act.id = part.act WHERE part.act = ? AND part.part = ? AND part.undone = ?",
        (entry_id, part, redo),
    )
    if not rows:
        return []  # another process has just done it
    operation, at, before = rows[0]
    unit = UnitOfWork.begin(backend, connection, states_of_deleted)
    try:
        entries = decompress(before)
    except RowDamaged:
        raise UndoDataDamaged(entry_id) from None
    # The lowest id first: a job may wait for one of a lower id that is restored with it.
    entries.sort(key=lambda entry: entry[0])
    dropped = 0
    found: dict[int, Job] = {}
    each: UndoOrRedo = partial(_undo_or_redo_pause, operation, undo=not redo)
    if config_changes.is_config_change(operation):
        each = partial(_undo_or_redo_config, operation, undo=not redo)
    elif operation not in (pauses.PAUSE, pauses.RESUME):
        found = {job.id: job for job in backend.load_for_update(connection, [entry[0] for entry in entries])}
        each = partial(_redo if redo else _undo, Operation(operation), found, at)
    if redo:  # dependents are cancelled with their parents: these or others
        dropped = len(entries)
        entries = [entry for entry in entries if not is_cancelled_child(entry)]
        dropped -= len(entries)
    processed, left = [], []
    for entry in entries:
        try:
            processed.append(each(unit, entry))
        except JobdeckError as problem:
            refused[entry[0]] = problem
            left.append(entry)
    named = len(processed)
    if redo and found:
        parents = [found[entry[0]] for entry in processed]
        processed += [child for child, *_ in cancel_dependents(unit, Operation(operation), parents)]
    unit.counters.write(connection)
    if processed or dropped:
        connection.execute("DELETE FROM jobdeck_journal_parts WHERE act = ? AND part = ?", (entry_id, part))
        for some, when, undone in ((processed, unit.now if redo else at, not redo), (left, at, redo)):
            if some:
                add_part(connection, entry_id, when, compress(some), undone=undone)
        connection.execute(
            "UPDATE jobdeck_journal SET undone = undone + ?1, n = n + ?2, kept = kept + ?2, children = children + ?2, bytes ="
            " (SELECT coalesce(sum(length(before)), 0) FROM jobdeck_journal_parts WHERE act = ?3) WHERE id = ?3",
            (-named - dropped if redo else named, len(processed) - named - dropped, entry_id),
        )
    return [entry[0] for entry in processed]


def _undo(operation: Operation, found: dict[int, Job], at: float, unit: UnitOfWork, entry: UndoData) -> UndoData:
    operations = job_operations.CANCEL if is_cancelled_child(entry) else OPERATIONS[operation]
    operations.undo(unit, found.get(entry[0]), entry, at)
    return operations.redo_data(entry)


def _redo(operation: Operation, found: dict[int, Job], _at: float, unit: UnitOfWork, entry: UndoData) -> UndoData:
    job = found.get(entry[0])
    if job is None:
        raise JobNotFound(entry[0])
    if not allows(operation, job.state):
        raise WrongState(job.id, operation, job.state)
    return OPERATIONS[operation].redo(unit, job, entry)[0]


def _undo_or_redo_pause(operation: str, unit: UnitOfWork, entry: UndoData, *, undo: bool) -> UndoData:
    pauses.undo_or_redo(unit.connection, operation, *entry, undo=undo)
    return entry


def _undo_or_redo_config(operation: str, unit: UnitOfWork, entry: UndoData, *, undo: bool) -> UndoData:
    if operation in SCHEDULE_OPERATIONS:  # its ticks continue meanwhile
        unit.backend.lock_row(unit.connection, "jobdeck_schedules", "name", entry[0])
    return config_changes.undo_or_redo(unit.connection, unit.now, operation, entry, undo=undo)


def _make_entry(row: Row) -> JournalEntry:
    """Convert a row of `_COLUMNS` to a record."""
    _check(row)
    return JournalEntry(
        id=row[0],
        at=row[1],
        actor=row[2],
        operation=row[3],
        n=row[4],
        recorded=row[5],
        summary=row[6],
        undone=row[7],
        undone_at=row[8],
        undone_by=row[9],
    )
