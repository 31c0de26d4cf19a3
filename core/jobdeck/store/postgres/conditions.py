"""PostgreSQL's way to say what people ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...query import Value
from ..looking.conditions import wildcards
from ..looking.dialect import Bound, Dialect, bind
from ..people.house import Sql
from ..records import Row

OF_SCHEDULE = "substr(tags, strpos(tags, '\"schedule:'))"
"""A schedule puts its tag last, so what follows from there on names it. As the index `jobdeck_by_schedule` has it."""
SCHEDULED = "strpos(tags, '\"schedule:') > 0"
_LARGEST = 2**63 - 1


class PostgresDialect(Dialect):
    """The words of PostgreSQL."""

    # Most jobs have no tags, which is told at once.
    tags = "unnest(CASE WHEN tags <> '[]' THEN jobdeck_tags(tags) END) AS tag (value)"
    sorted_tags = "CASE WHEN tags <> '[]' AND jobdeck_tags(tags) IS NOT NULL THEN tags END"
    scheduled = SCHEDULED
    of_schedule = OF_SCHEDULE

    def one_of(self, column: str, values: Sequence[Value], bound: Bound) -> str:
        if all(isinstance(value, str) for value in values):
            return f"{column} = ANY({bind(bound, [*values])}::text[])"
        # Whole numbers, as the columns are: an index of those is of no use to others.
        whole = [int(value) for value in values if float(value).is_integer() and abs(float(value)) <= _LARGEST]
        return f"{column} = ANY({bind(bound, [value for value in whole if abs(value) <= _LARGEST])}::bigint[])"

    def compared(self, column: str, op: str, value: float, bound: Bound, *, whole: bool) -> str:
        if not whole:
            return f"{column} {op} {bind(bound, value)}::double precision"
        limit = math.ceil(value) if op in ("<", ">=") else math.floor(value)
        return f"{column} {op} {bind(bound, max(-_LARGEST, min(limit, _LARGEST)))}::bigint"

    def like(self, column: str, pattern: str, bound: Bound) -> str:
        return f"{column} LIKE {bind(bound, wildcards(pattern))}"

    def part(self, columns: Sequence[str], pattern: str, bound: Bound) -> str:
        name = bind(bound, pattern)
        return "(" + " OR ".join(f"{column} ILIKE {name}" for column in columns) + ")"

    def argument(self, path: Sequence[str], bound: Bound) -> str:
        return f"jobdeck_argument(args, {bind(bound, [*path])}::text[])"

    def aged(self, priority: str, due: str) -> str:
        return f"{priority} + trunc(greatest(0, :now::double precision - {due}) / :ageing::double precision)::bigint"

    def by(self, index: str) -> str:
        return ""  # it knows the way

    def rows(self, connection: Sql, columns: Sequence[str], source: str, bound: Any = None) -> Sequence[Row]:
        return connection.execute(f"SELECT {', '.join(columns)} {source}", bound).fetchall()

    def for_each(self, outer: str, query: str) -> str:
        return f"{outer} CROSS JOIN LATERAL ({query}) AS entry"


POSTGRES = PostgresDialect()
