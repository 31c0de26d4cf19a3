"""The journal of a store: undo, redo, and looking at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from ...model.errors import ActNotFound, JobdeckError, JobNotFound, NothingToUndo, WrongAct, WrongState
from ...model.jobs import Job
from ...model.journal import SCHEDULE_ACTS, Act, Undoing
from ...model.states import Operation, allows
from ..backend import House, Sql, rows_of
from ..journal import Journal
from ..records import Row
from . import config_changes as arrangements
from . import deletion, edits, pauses
from . import job_operations as deeds
from .deleted_jobs import states_of_deleted
from .job_operations import is_child
from .journal_writer import add_part, packed, trim, unpacked
from .service import cancelled_children
from .unit_of_work import Entry, Turn

_COLUMNS = "id, at, who, act, n, kept, told, undone, undone_at, undone_by"
# The newest first: what was done last is undone first, and what was undone last is done again first.
_PARTS = "SELECT part FROM jobdeck_journal_parts WHERE act = ? AND undone = ? ORDER BY part DESC"
# Those that fit into so many bytes together, and one that goes beyond. Nothing is read of the others but their length.
_NEWEST_PARTS = """
WITH told AS (
  SELECT part.act, part.part, length(part.before) AS size,
         sum(length(part.before)) OVER (ORDER BY part.act DESC, part.part DESC) AS upto
    FROM jobdeck_journal_parts AS part JOIN jobdeck_journal AS act ON act.id = part.act
   WHERE act.at >= ?1 AND act.act NOT IN (?2, ?3) AND length(part.before) <= ?4)
SELECT part.act, part.before FROM told JOIN jobdeck_journal_parts AS part ON part.act = told.act AND part.part = told.part
 WHERE told.upto - told.size < ?4 ORDER BY part.act DESC, part.part DESC
"""

DEEDS = {
    Operation.CANCEL: deeds.CANCEL,
    Operation.RETRY: deeds.RETRY,
    Operation.REPRIORITISE: deeds.REPRIORITISE,
    Operation.EDIT: edits.EDIT,
    Operation.DELETE: deletion.DELETE,
}
Refused = dict[int | str, JobdeckError]
Turning = Callable[[Turn, Entry], Entry]
"""Undoes one entry, or does it again; returns what it takes to turn it back. Raises a `JobdeckError` that says why not."""


class KeptJournal(Journal):
    """Acts and their inverses, in the tables of the queue itself."""

    def __init__(self, house: House, ring: Callable[[], None]) -> None:
        """Look into the journal.

        Args:
            house: where it is.
            ring: wakes the workers once what was changed can be seen.
        """
        self._house = house
        self._ring = ring

    def undo(self, act_id: int | None = None, *, by: str = "somebody", who: str | None = None) -> Undoing:
        found, parts = self._house.repeat(partial(self._begin_undo, act_id, by, who))
        done, refused = self._take(found, parts, redo=False)
        if not done:
            self._not_next(found)
        act = self._act(found)
        return Undoing(act, tuple(done), refused, max(0, act.n - act.undone - len(refused)))

    def redo(self, act_id: int | None = None, *, by: str = "somebody", who: str | None = None) -> Undoing:
        found, parts = self._house.repeat(partial(self._begin_redo, act_id, who))
        done, refused = self._take(found, parts, redo=True)
        if done:
            self._note(found, "undone_at = NULL, undone_by = NULL, undone_no = NULL")
        else:
            self._not_next(found)
        return Undoing(self._act(found), tuple(done), refused)

    def list_acts(self, limit: int) -> list[Act]:
        with self._house.reading() as connection:
            rows = rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_journal ORDER BY id DESC LIMIT ?", (limit,))
        return [_act_of(row) for row in rows]

    def acts_on(self, job_id: int, since: float, room: int) -> list[Act]:
        # The parts are deflated, so they have to be read; the newest tell most, and a bound keeps it cheap.
        found: list[int] = []
        with self._house.reading() as connection:
            for act, before in connection.execute(_NEWEST_PARTS, (since, pauses.PAUSE, pauses.RESUME, room)):
                if act not in found and any(entry[0] == job_id for entry in unpacked(before)):
                    found.append(act)
            query = f"SELECT {_COLUMNS} FROM jobdeck_journal WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
            rows = rows_of(connection, query, (json.dumps(found),))
        return [_act_of(row) for row in rows]

    def prune(self) -> int:
        return self._house.repeat(self._trim)

    # -- an undo and its parts, each a transaction of its own, which is done again where others got in its way ----------------

    def _begin_undo(self, act_id: int | None, by: str, who: str | None) -> tuple[int, list[int]]:
        """The act, which counts as undone from now on, and its parts."""
        with self._house.writing() as connection:
            self._house.alone(connection)
            found = act_id or _next(connection, "undone_at IS NULL AND who = coalesce(?, who) ORDER BY id DESC", who)
            if found is None:
                raise NothingToUndo(who)
            parts = self._parts(connection, found, redo=False)
            connection.execute(
                "UPDATE jobdeck_journal SET undone_at = ?, undone_by = ?,"
                " undone_no = (SELECT coalesce(max(undone_no), 0) + 1 FROM jobdeck_journal) WHERE id = ?",
                (self._house.now(connection), by, found),
            )
        return found, parts

    def _begin_redo(self, act_id: int | None, who: str | None) -> tuple[int, list[int]]:
        """The act, and its parts."""
        with self._house.writing() as connection:
            self._house.alone(connection)
            newest = "undone_no IS NOT NULL AND undone_by = coalesce(?, undone_by) ORDER BY undone_no DESC"
            found = act_id or _next(connection, newest, who)
            if found is None:
                raise NothingToUndo(who, redo=True)
            return found, self._parts(connection, found, redo=True)

    def _trim(self) -> int:
        with self._house.writing() as connection:
            self._house.alone(connection)
            return trim(connection, self._house.now(connection))

    def _parts(self, connection: Sql, act: int, *, redo: bool) -> list[int]:
        """The parts of the act that are to be turned."""
        if not rows_of(connection, "SELECT id FROM jobdeck_journal WHERE id = ?", (act,)):
            raise ActNotFound(act)
        parts = [row[0] for row in rows_of(connection, _PARTS, (act, redo))]
        if not parts:
            raise WrongAct(act, redo=redo)
        return parts

    def _not_next(self, act: int) -> None:
        """Nothing of the act could be turned: whoever asks for the next one shall not meet it again."""
        self._note(act, "undone_no = NULL")

    def _note(self, act: int, changed: str) -> None:
        def write() -> None:
            with self._house.writing() as connection:
                connection.execute(f"UPDATE jobdeck_journal SET {changed} WHERE id = ?", (act,))

        self._house.repeat(write)

    def _act(self, act: int) -> Act:
        with self._house.reading() as connection:
            for row in rows_of(connection, f"SELECT {_COLUMNS} FROM jobdeck_journal WHERE id = ?", (act,)):
                return _act_of(row)
        raise ActNotFound(act)

    def _take(self, act: int, parts: list[int], *, redo: bool) -> tuple[list[int | str], Refused]:
        done: list[int | str] = []
        refused: Refused = {}
        try:
            while parts:
                before, refused = len(done), {}
                for part in parts:
                    turned, left = self._house.repeat(partial(self._take_one, act, part, redo=redo))
                    done = turned + done  # told in the order of the act
                    refused |= left
                # What was refused may have missed a job that came back after it.
                parts = self._left(act, redo=redo) if refused and len(done) > before else []
        finally:  # what is done is done, also where a later part fails
            if done:
                self._ring()
        return done, refused

    def _left(self, act: int, *, redo: bool) -> list[int]:
        with self._house.reading() as connection:
            return [row[0] for row in rows_of(connection, _PARTS, (act, redo))]

    def _take_one(self, act: int, part: int, *, redo: bool) -> tuple[list[int | str], Refused]:
        refused: Refused = {}
        with self._house.writing() as connection:
            return _take_part(self._house, connection, act, part, refused, redo=redo), refused


def _next(connection: Sql, condition: str, who: str | None) -> int | None:
    """The act that meets the condition and comes first."""
    found: int | None = connection.execute(f"SELECT id FROM jobdeck_journal WHERE {condition} LIMIT 1", (who,)).get
    return found


def _take_part(house: House, connection: Sql, act: int, part: int, refused: Refused, *, redo: bool) -> list[int | str]:
    """Undo a part, or do it again; what was refused stays as it is. Returns the jobs for which it was done."""
    house.alone(connection)
    rows = rows_of(
        connection,
        "SELECT act.act, part.at, part.before FROM jobdeck_journal_parts AS part JOIN jobdeck_journal AS act"
        " ON act.id = part.act WHERE part.act = ? AND part.part = ? AND part.undone = ?",
        (act, part, redo),
    )
    if not rows:
        return []  # somebody else has just done it
    operation, at, before = rows[0]
    turn = Turn.begin(house, connection, states_of_deleted)
    # The lowest id first: a job may wait for one of a lower id that comes back with it.
    entries = sorted(unpacked(before), key=lambda entry: entry[0])
    forgotten = 0
    found: dict[int, Job] = {}
    each: Turning = partial(_turn_queue, operation, undo=not redo)
    if arrangements.is_arrangement(operation):
        each = partial(_turn_edit, operation, undo=not redo)
    elif operation not in (pauses.PAUSE, pauses.RESUME):
        found = {job.id: job for job in house.jobs(connection, [entry[0] for entry in entries])}
        each = partial(_again if redo else _undo, Operation(operation), found, at)
    if redo:  # children are cancelled by what becomes of their parents, those of then or others
        forgotten = len(entries)
        entries = [entry for entry in entries if not is_child(entry)]
        forgotten -= len(entries)
    turned, left = [], []
    for entry in entries:
        try:
            turned.append(each(turn, entry))
        except JobdeckError as problem:
            refused[entry[0]] = problem
            left.append(entry)
    named = len(turned)
    if redo and found:
        parents = [found[entry[0]] for entry in turned]
        turned += [child for child, *_ in cancelled_children(turn, Operation(operation), parents)]
    turn.tally.write(connection)
    if turned or forgotten:
        connection.execute("DELETE FROM jobdeck_journal_parts WHERE act = ? AND part = ?", (act, part))
        for some, when, undone in ((turned, turn.now if redo else at, not redo), (left, at, redo)):
            if some:
                add_part(connection, act, when, packed(some), undone=undone)
        connection.execute(
            "UPDATE jobdeck_journal SET undone = undone + ?1, n = n + ?2, kept = kept + ?2, children = children + ?2, bytes ="
            " (SELECT coalesce(sum(length(before)), 0) FROM jobdeck_journal_parts WHERE act = ?3) WHERE id = ?3",
            (-named - forgotten if redo else named, len(turned) - named - forgotten, act),
        )
    return [entry[0] for entry in turned]


def _undo(operation: Operation, found: dict[int, Job], at: float, turn: Turn, entry: Entry) -> Entry:
    deed = deeds.CANCEL if is_child(entry) else DEEDS[operation]
    deed.undo(turn, found.get(entry[0]), entry, at)
    return deed.kept(entry)


def _again(operation: Operation, found: dict[int, Job], _at: float, turn: Turn, entry: Entry) -> Entry:
    job = found.get(entry[0])
    if job is None:
        raise JobNotFound(entry[0])
    if not allows(operation, job.state):
        raise WrongState(job.id, operation, job.state)
    return DEEDS[operation].again(turn, job, entry)[0]


def _turn_queue(operation: str, turn: Turn, entry: Entry, *, undo: bool) -> Entry:
    pauses.turn(turn.connection, operation, *entry, undo=undo)
    return entry


def _turn_edit(operation: str, turn: Turn, entry: Entry, *, undo: bool) -> Entry:
    if operation in SCHEDULE_ACTS:  # its ticks go on meanwhile
        turn.house.hold(turn.connection, "jobdeck_schedules", "name", entry[0])
    return arrangements.turn(turn.connection, turn.now, operation, entry, undo=undo)


def _act_of(row: Row) -> Act:
    """A row of `_COLUMNS` as a record."""
    return Act(
        id=row[0],
        at=row[1],
        who=row[2],
        operation=row[3],
        n=row[4],
        kept=row[5],
        told=row[6],
        undone=row[7],
        undone_at=row[8],
        undone_by=row[9],
    )
