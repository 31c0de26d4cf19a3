"""Finds rows that no jobdeck has written: text that is not UTF-8, other types, unknown words, times beyond every calendar.

One such row stops no other. Whoever reads one has it repaired: what can be read of its values stays, the others are replaced;
a job that cannot run any more fails, a schedule that cannot run is paused with an error. A job's log keeps what the row held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..logs import get_logger
from ..model.errors import RowDamaged
from ..model.findings import Finding, Severity
from ..model.jobs import Reason
from ..model.record_class import record
from ..model.states import FINAL, State
from .backend import Backend, SqlConnection, rows_of
from .operations.journal_writer import decompress
from .records import one_line
from .row_rules import RULES, ColumnRule, TableRule

logger = get_logger("jobdeck.maintenance")

_EVIDENCE = 2000
"""Characters of each damaged value that are kept."""
_USED_IDS = ("SELECT max(id) FROM jobdeck_jobs", "SELECT max(job_id) FROM jobdeck_attempts")


@record
class DamagedRow:
    """A row that breaks the rules of its table."""

    table: str
    address: tuple[Any, ...]
    """The values that find the row again in the same transaction; see `RowSql.address`."""
    noun: str
    name: str
    columns: tuple[str, ...]
    """The columns whose values break the rules."""

    def __str__(self) -> str:
        return f"{self.noun} {self.name} ({', '.join(self.columns)})"


class RowSql(ABC):
    """The SQL of one database that judges, reads and finds single rows. It computes on any value, and never fails."""

    @abstractmethod
    def table(self, name: str) -> str | None:
        """Return the stored table behind the table or view of this name; `None` if this database has none."""

    @abstractmethod
    def is_sound(self, table: str, column: str, rule: ColumnRule) -> str:
        """Test whether the column keeps its rule; never NULL."""

    @abstractmethod
    def all_sound(self, table: str, rules: Mapping[str, ColumnRule]) -> str:
        """Test whether all columns keep their rules; never NULL. Fast enough for a million rows."""

    @abstractmethod
    def address(self, connection: SqlConnection, table: str) -> Sequence[str]:
        """Return the expressions whose values find a row again."""

    @abstractmethod
    def value(self, column: str) -> Sequence[str]:
        """Return the expressions from whose values `decode` makes the value of the column."""

    @abstractmethod
    def decode(self, values: Sequence[Any]) -> Any:
        """Return the stored value; text that is not UTF-8 as bytes."""


def find_damaged_rows(connection: SqlConnection, sql: RowSql) -> Iterator[DamagedRow]:
    """Return the rows that break the rules. Reads every row: about a second for a million jobs."""
    for name, rule in RULES.items():
        table = sql.table(name)
        if table is None:
            continue
        address, named = sql.address(connection, table), sql.value(rule.name)
        tests = [sql.is_sound(table, column, each) for column, each in rule.columns.items()]
        query = f"SELECT {', '.join([*address, *named, *tests])} FROM {table} WHERE NOT ({sql.all_sound(table, rule.columns)})"
        for row in rows_of(connection, query):
            at = len(address)
            key, flags = sql.decode(row[at : at + len(named)]), row[at + len(named) :]
            broken = tuple(column for column, sound in zip(rule.columns, flags, strict=True) if not sound)
            yield DamagedRow(name, tuple(row[:at]), rule.noun, one_line(_readable(key), 80), broken)
    yield from _damaged_undo_data(connection, sql)


def _damaged_undo_data(connection: SqlConnection, sql: RowSql) -> Iterator[DamagedRow]:
    """Return the rows whose undo data cannot be decoded. The journal is bounded; see `journal_writer`."""
    name = "jobdeck_journal_parts"
    address, act, before = sql.address(connection, name), sql.value("act"), sql.value("before")
    query = f"SELECT {', '.join([*address, *act, *before])} FROM {name}"
    for row in connection.execute(query):
        at = len(address)
        blob = sql.decode(row[at + len(act) :])
        try:
            if isinstance(blob, bytes):  # otherwise it breaks the rule of its column
                decompress(blob)
        except RowDamaged:
            key = one_line(_readable(sql.decode(row[at : at + len(act)])))
            yield DamagedRow(name, tuple(row[:at]), RULES[name].noun, key, ("before",))


def repair_damaged_rows(
    backend: Backend, connection: SqlConnection, sql: RowSql, recount: Iterable[object]
) -> Sequence[DamagedRow]:
    """Repair all damaged rows, inside the caller's transaction, and return them as they were.

    Args:
        backend: the backend of the store.
        connection: the connection with the open transaction.
        sql: the SQL of the database.
        recount: corrects the counters of jobs when it is iterated over.
    """
    found = [*find_damaged_rows(connection, sql)]
    if not found:
        return ()
    now = backend.now(connection)
    failed: dict[int, State | None] = {}
    unreachable: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        rule, table = RULES[row.table], sql.table(row.table) or row.table
        where = " AND ".join(f"{each} = ?" for each in sql.address(connection, table))
        if not rule.replaced or any(rule.columns[column].essential for column in row.columns):
            connection.execute(f"DELETE FROM {table} WHERE {where}", row.address)
            if not connection.changes():
                unreachable.setdefault(row.table, [])
            continue
        stored = _read(connection, sql, table, rule, where, row)
        if not stored:
            continue
        values = {column: stored[column] for column in rule.columns}
        for column in row.columns:
            values[column] = _replacement(stored[column], rule.columns[column])
        if row.table == "jobdeck_jobs":
            job_id = int(row.name)
            if _mend_job(values, row, now):
                failed[job_id] = State.FAILED
                connection.execute("DELETE FROM jobdeck_waits WHERE child = ?", (job_id,))
            _keep_evidence(connection, job_id, values, row, stored, now)
        elif row.table == "jobdeck_schedules" and any(rule.columns[column].vital for column in row.columns):
            values["paused_at"] = now
            values["error"] = (
                f"The stored schedule was damaged ({', '.join(row.columns)}), and is paused: delete it, or edit it."
            )
        elif row.table == "jobdeck_ids":
            values["last"] = max(0, *(rows_of(connection, query)[0][0] or 0 for query in _USED_IDS))
        elif row.table == "jobdeck_queues":
            _mend_queue(values, row, now)
        if not _write(connection, table, where, row, values):
            unreachable.setdefault(row.table, []).append(values)
    for name, mended in unreachable.items():
        _refill(connection, sql, name, mended)
    backend.resolve_dependents(connection, backend.new_counters(), failed, now)
    for _ in recount:
        pass
    return found


def describe_rows(rows: Sequence[DamagedRow], most: int = 5) -> str:
    """Name the rows: `job 7 (kind), queue mail (rate), and 2 more`."""
    more = f", and {len(rows) - most:,} more" if len(rows) > most else ""
    return ", ".join(map(str, rows[:most])) + more


def summarize_repairs(rows: Sequence[DamagedRow]) -> list[Finding]:
    """Return what `jobdeck doctor --repair` says of repaired rows."""
    if not rows:
        return []
    return [Finding("repair", Severity.OK, f"Repaired damaged rows: {describe_rows(rows)}.")]


def _read(
    connection: SqlConnection, sql: RowSql, table: str, rule: TableRule, where: str, row: DamagedRow
) -> Mapping[str, Any]:
    """Return the stored values of a row, by column; none if it has changed since."""
    parts = {column: sql.value(column) for column in rule.columns}
    query = f"SELECT {', '.join(each for part in parts.values() for each in part)} FROM {table} WHERE {where}"
    rows = rows_of(connection, query, row.address)
    values: dict[str, Any] = {}
    at = 0
    for column, part in parts.items() if rows else ():
        values[column] = sql.decode(rows[0][at : at + len(part)])
        at += len(part)
    return values


def _write(connection: SqlConnection, table: str, where: str, row: DamagedRow, values: Mapping[str, Any]) -> bool:
    """Replace the values of a row; delete it if another row has its key already. Return whether the row was found."""
    if "name" in row.columns and rows_of(connection, f"SELECT 1 FROM {table} WHERE name = ?", (values["name"],)):
        connection.execute(f"DELETE FROM {table} WHERE {where}", row.address)
    else:
        assignments = ", ".join(f"{column} = ?" for column in values)
        connection.execute(f"UPDATE {table} SET {assignments} WHERE {where}", [*values.values(), *row.address])
    return connection.changes() == 1


def _refill(connection: SqlConnection, sql: RowSql, name: str, mended: Sequence[Mapping[str, Any]]) -> None:
    """Fill a table anew with its sound rows and with the mended ones.

    SQLite cannot change or delete a row whose key has another type than its column: it searches for the key, and misses it.
    """
    table = sql.table(name) or name
    connection.execute(
        f"CREATE TEMPORARY TABLE jobdeck_sound AS SELECT * FROM {table} WHERE {sql.all_sound(name, RULES[name].columns)}"
    )
    connection.execute(f"DELETE FROM {table}")
    connection.execute(f"INSERT INTO {table} SELECT * FROM jobdeck_sound")
    connection.execute("DROP TABLE temp.jobdeck_sound")
    for values in mended:
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) ON CONFLICT DO NOTHING", [*values.values()]
        )


def _replacement(value: Any, rule: ColumnRule) -> Any:
    """Return what replaces a value that breaks the rule."""
    if rule.type == "text" and value is not None and not rule.words and not rule.json_list:
        return _readable(value)
    return rule.default


def _readable(value: Any) -> str:
    """Return the value as text, with what is not UTF-8 escaped."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _mend_job(values: dict[str, Any], row: DamagedRow, now: float) -> bool:
    """Make the values of a job fit together; return whether it fails for its damage. A final job stays final."""
    rules = RULES["jobdeck_jobs"].columns
    final = values["state"] in FINAL and "state" not in row.columns
    failed = not final and any(rules[column].vital for column in row.columns)
    if failed:
        values["state"], values["reason"], values["unique_final"] = State.FAILED, Reason.DAMAGED, 0
        values["error"] = f"The stored job was damaged ({', '.join(row.columns)}); its log says what it held."
    if values["state"] in FINAL:
        values["finished_at"] = now if values["finished_at"] is None else values["finished_at"]
        values["lease"] = values["lease_until"] = None
        values["cancelling"] = False
        values["max_attempts"] = max(values["max_attempts"], values["attempt"])
        if values["state"] == State.COMPLETED:
            values["reason"], values["attempt"] = None, max(1, values["attempt"])
            values["max_attempts"] = max(values["max_attempts"], values["attempt"])
        if "unique_key" in row.columns:
            values["unique_final"] = 0
    else:
        values["reason"] = values["finished_at"] = None
        if values["state"] == State.RUNNING:
            values["worker"] = values["worker"] or ""
            values["started_at"] = now if values["started_at"] is None else values["started_at"]
    return failed


def _mend_queue(values: dict[str, Any], row: DamagedRow, now: float) -> None:
    """Make the values of a queue fit together: a pause holds, whenever it began."""
    if "paused_at" in row.columns:
        values["paused_at"] = now
    if values["rate"] is None or values["rate_period"] is None:
        values["rate"] = values["rate_period"] = None


def _keep_evidence(
    connection: SqlConnection,
    job_id: int,
    values: Mapping[str, Any],
    row: DamagedRow,
    stored: Mapping[str, Any],
    now: float,
) -> None:
    """Write what a job's row held to its log."""
    for column in row.columns:
        text = f"The stored {column} was damaged: {one_line(repr(stored[column]), _EVIDENCE)}"
        connection.execute(
            "INSERT INTO jobdeck_logs (job_id, attempt, at, level, text) VALUES (?, ?, ?, ?, ?)",
            (job_id, max(1, values["attempt"]), now, "error", text),
        )
