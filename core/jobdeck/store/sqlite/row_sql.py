"""The SQL of SQLite that judges single rows. SQLite stores any bytes as text, and what a flipped bit makes of a type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backend import SqlConnection
from ..damaged_rows import RowSql
from ..row_rules import ColumnRule

_TYPES = {
    "text": "= 'text'",
    "integer": "= 'integer'",
    "boolean": "= 'integer'",
    "real": "IN ('real', 'integer')",
    "blob": "= 'blob'",
}
# The CHECK of the schema, which a file may hold rows against all the same.
_LIFE = """coalesce(CASE state
    WHEN 'running' THEN lease IS NOT NULL AND lease_until IS NOT NULL AND finished_at IS NULL AND reason IS NULL
        AND worker IS NOT NULL AND started_at IS NOT NULL AND attempt BETWEEN 1 AND max_attempts
    WHEN 'completed' THEN finished_at IS NOT NULL AND lease IS NULL AND lease_until IS NULL AND reason IS NULL
        AND cancelling = 0 AND attempt BETWEEN 1 AND max_attempts
    ELSE lease IS NULL AND lease_until IS NULL AND cancelling = 0 AND attempt >= 0
        AND CASE state
            WHEN 'failed' THEN finished_at IS NOT NULL AND attempt <= max_attempts
            WHEN 'cancelled' THEN finished_at IS NOT NULL AND attempt <= max_attempts
            ELSE finished_at IS NULL AND reason IS NULL AND attempt < max_attempts
                AND state IN ('scheduled', 'waiting', 'pending', 'retrying') END
    END, false)"""
_CHECKS = {("jobdeck_jobs", "state"): _LIFE, ("jobdeck_queues", "rate"): "((rate IS NULL) = (rate_period IS NULL))"}
"""The CHECKs of the schema, each with the column that it is about."""


class SqliteRowSql(RowSql):
    """The SQL of a file."""

    def table(self, name: str) -> str:
        return name

    def is_sound(self, table: str, column: str, rule: ColumnRule) -> str:
        plain = _plain(table, column, rule)
        return f"({plain} AND jobdeck_utf8(CAST({column} AS BLOB)))" if rule.type == "text" else plain

    def all_sound(self, table: str, rules: Mapping[str, ColumnRule]) -> str:
        # One call of the function that decodes for all texts of a row: calls from SQL into Python are what takes long.
        texts = ", ".join(column for column, rule in rules.items() if rule.type == "text")
        decoded = [f"jobdeck_utf8(CAST(concat_ws(char(10), {texts}) AS BLOB))"] if texts else []
        return " AND ".join([_plain(table, column, rule) for column, rule in rules.items()] + decoded)

    def address(self, connection: SqlConnection, table: str) -> Sequence[str]:
        info = [*connection.execute(f"PRAGMA table_info({table})")]
        keys = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
        if _is_table_with_rowid(connection, table):
            return ["rowid"]
        # As bytes: a key that is not UTF-8 can be compared with nothing else.
        return [f"typeof({key}) || ' ' || hex({key})" for key in keys]

    def value(self, column: str) -> Sequence[str]:
        return [f"typeof({column})", f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END"]

    def decode(self, values: Sequence[Any]) -> Any:
        kind, value = values
        try:
            return str(value, "utf-8") if kind == "text" else value
        except UnicodeDecodeError:
            return value


def _is_table_with_rowid(connection: SqlConnection, table: str) -> bool:
    query = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    return not connection.execute(query, (table,)).get


def _plain(table: str, column: str, rule: ColumnRule) -> str:
    """Test everything but the encoding."""
    tests = [f"typeof({column}) {_TYPES[rule.type]}"]
    if rule.type == "boolean":
        tests.append(f"{column} IN (0, 1)")
    if rule.low is not None:
        tests.append(f"{column} BETWEEN {rule.low!r} AND {rule.high!r}")
    if rule.words:
        tests.append(f"{column} IN ({rule.quoted_words})")
    if rule.json_list:
        tests.append(f"CASE WHEN json_valid({column}) THEN json_type({column}) = 'array' ELSE false END")
    test = f"({' AND '.join(tests)})"
    if rule.nullable:
        test = f"({column} IS NULL OR {test})"
    check = _CHECKS.get((table, column))
    return f"coalesce({test}, false)" if check is None else f"(coalesce({test}, false) AND {check})"


ROW_SQL = SqliteRowSql()
