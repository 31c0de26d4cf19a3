"""The SQL of PostgreSQL that judges single rows. The server checks encodings, types and NULL, but not what values mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backend import SqlConnection
from ..damaged_rows import RowSql
from ..row_rules import ColumnRule


class PostgresRowSql(RowSql):
    """The SQL of a server."""

    def table(self, name: str) -> str | None:
        return {"jobdeck_counts": "jobdeck_stripes", "jobdeck_ids": None}.get(name, name)

    def is_sound(self, table: str, column: str, rule: ColumnRule) -> str:
        tests = []
        if rule.low is not None:  # not true of NaN, which is greater than every number
            tests.append(f"{column} BETWEEN {rule.low!r} AND {rule.high!r}")
        if rule.words:
            tests.append(f"{column} IN ({rule.quoted_words})")
        if rule.json_list:
            tests.append(f"jobdeck_tags({column}) IS NOT NULL")
        test = " AND ".join(tests) or "true"
        return f"coalesce({test}, {'true' if rule.nullable else 'false'})"

    def all_sound(self, table: str, rules: Mapping[str, ColumnRule]) -> str:
        return " AND ".join(self.is_sound(table, column, rule) for column, rule in rules.items())

    def address(self, connection: SqlConnection, table: str) -> Sequence[str]:
        return ["ctid::text"]

    def value(self, column: str) -> Sequence[str]:
        return [column]

    def decode(self, values: Sequence[Any]) -> Any:
        return values[0]


ROW_SQL = PostgresRowSql()
