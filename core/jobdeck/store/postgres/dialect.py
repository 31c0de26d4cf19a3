"""The SQL of PostgreSQL for filters and queries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...model.case_folding import DOTTED, fold_value, foldings_into
from ...model.filter import Literal
from ...model.filter_text import Pattern
from ..backend import SqlConnection
from ..queries.dialect import Bound, Dialect, IndexScan, bind
from ..queries.filter_sql import like_pattern
from ..records import Row

OF_SCHEDULE = "substr(tags, strpos(tags, '\"schedule:'))"
"""The end of the tags, from the tag of the schedule on, which is the last one. As in the index `jobdeck_by_schedule`."""
SCHEDULED = "strpos(tags, '\"schedule:') > 0"
_LAST_LINE = r"left(regexp_replace(regexp_replace(rtrim(attempt.message, E' \t\r\n'), '^.*\n', ''), '[0-9]+', '#', 'g'), 200)"
"""`model.metrics.last_line` of the message of an attempt."""
_NOT_AS_IT_IS = re.compile(r'[\[\]{},:"\\\x00-\x1f]+')
_MOST_PIECES = 16
_FEW_WALKS = 4
"""The number of lanes whose scans are planned one by one."""
_LARGEST = 2**63 - 1


class PostgresDialect(Dialect):
    """The dialect of PostgreSQL."""

    sorted_tags = "CASE WHEN tags <> '[]' AND jobdeck_tags(tags) IS NOT NULL THEN tags END"
    lane = ("state", "queue", "kind")
    scheduled = SCHEDULED
    of_schedule = OF_SCHEDULE
    searched_args = (
        "CASE WHEN strpos(args, '\"base_env\":') > 0"
        " THEN concat(jobdeck_argument(args, '{command}'), ' ', jobdeck_argument(args, '{cwd}')) ELSE args END"
    )
    failure_place = f"CASE WHEN attempt.error_type LIKE '% %' THEN {_LAST_LINE} ELSE jobdeck_place(attempt.traceback) END"

    def one_of(self, column: str, values: Sequence[Literal], bound: Bound) -> str:
        if all(isinstance(value, str) for value in values):
            return f"{column} = ANY({bind(bound, [*values])}::text[])"
        # Whole numbers, as the columns are: their index serves no other type.
        whole = [int(value) for value in values if float(value).is_integer() and abs(float(value)) <= _LARGEST]
        return f"{column} = ANY({bind(bound, [value for value in whole if abs(value) <= _LARGEST])}::bigint[])"

    def compared(self, column: str, op: str, value: float, bound: Bound, *, whole: bool) -> str:
        if not whole:
            return f"{column} {op} {bind(bound, value)}::double precision"
        limit = math.ceil(value) if op in ("<", ">=") else math.floor(value)
        return f"{column} {op} {bind(bound, max(-_LARGEST, min(limit, _LARGEST)))}::bigint"

    def like(self, column: str, pattern: Pattern, bound: Bound) -> str:
        return f"{column} LIKE {bind(bound, like_pattern(pattern))}"

    def part(self, column: str, value: str | Pattern, bound: Bound) -> str:
        folded = fold_value(value)
        characters = "".join(folded.literals)
        foldings = foldings_into(characters)
        pattern = bind(bound, f"%{like_pattern(folded)}%")
        tests = []
        if characters.isascii():  # the server's own idea of case depends on its locale, except in this one
            tests.append(f'{column} COLLATE "C" ILIKE {pattern}')
        if not "".join(foldings).isascii() or not characters.isascii():
            folded_column = _folded(column, foldings, bound, dotted="i" in characters)
            tests.append(f"(octet_length({column}) <> char_length({column}) AND {folded_column} LIKE {pattern})")
        return f"({' OR '.join(tests)})"

    def tagged(self, tags: Sequence[str], bound: Bound) -> str:
        return f"({_may_hold('tags', tags, bound)} AND jobdeck_tags(tags) && {bind(bound, [*tags])}::text[])"

    def tagged_like(self, pattern: Pattern, bound: Bound) -> str:
        found = f"SELECT 1 FROM unnest(jobdeck_tags(tags)) AS tag (value) WHERE {self.like('value', pattern, bound)}"
        return f"({_may_hold('tags', [pattern], bound)} AND EXISTS ({found}))"

    def tagged_part(self, value: str | Pattern, bound: Bound) -> str:
        found = f"SELECT 1 FROM unnest(jobdeck_tags(tags)) AS tag (value) WHERE {self.part('value', value, bound)}"
        return f"(strpos(tags, '\\') > 0 AND EXISTS ({found}))"

    def argument_is(self, path: Sequence[str], values: Sequence[str], bound: Bound) -> str:
        found = self.one_of(_argument(path, bound), values, bound)
        return f"({_may_hold('args', values, bound)} AND {found})"

    def argument_like(self, path: Sequence[str], pattern: Pattern, bound: Bound) -> str:
        found = self.like(_argument(path, bound), pattern, bound)
        return f"({_may_hold('args', [pattern], bound)} AND {found})"

    def aged(self, priority: str, due: str) -> str:
        return f"{priority} + trunc(greatest(0, :now::double precision - {due}) / :ageing::double precision)::bigint"

    def by(self, index: str) -> str:
        return ""  # its planner chooses

    def lane_scans(self, connection: SqlConnection, lanes: Sequence[Sequence[str]]) -> Sequence[Sequence[Any]]:
        return lanes

    def walks(self, scan: IndexScan, clause: str, direction: str, limit: str, bound: Bound) -> str:
        ways = scan.bind(bound)
        if len(ways) > _FEW_WALKS and scan.index == "jobdeck_by_lane":
            return _walk_lanes(ways, clause, direction, limit)
        walks = []
        for number, way in enumerate(ways):
            there, order = " AND ".join(f"{column} = {value}" for column, value in way), f"id {direction}"
            if limit:
                # The planner assumes that the jobs of a state are spread evenly over all ids, so that reading all jobs by id
                # finds a few of them soon. A range in the order of the column prevents that plan.
                *before, (column, value) = way
                equal = [f"{each} = {to}" for each, to in before]
                there = " AND ".join([*equal, f"{column} >= {value}", f"{column} <= {value}"])
                order = f"{column} {direction}, id {direction}"
            walk = f"SELECT id FROM jobdeck_jobs WHERE {there} AND {clause} ORDER BY {order} {limit}"
            walks.append(f"SELECT id FROM ({walk}) AS walk{number}")
        return f"{' UNION ALL '.join(walks)} ORDER BY id {direction} {limit}"

    def oldest_pending(self, columns: str, limit: int) -> str:
        # By a range of one kind, and in its order, so that it is not searched for by reading all jobs.
        return (
            f"SELECT {columns} FROM (SELECT queue, kind FROM jobdeck_counts WHERE state = 'pending' AND n > 0) AS lane"
            " CROSS JOIN LATERAL (SELECT * FROM jobdeck_jobs AS job WHERE state = 'pending' AND job.queue = lane.queue"
            f" AND job.kind >= lane.kind AND job.kind <= lane.kind ORDER BY job.kind, id LIMIT {limit}) AS front"
            f" ORDER BY id LIMIT {limit}"
        )

    def schedule_history(self, columns: str) -> str:
        # Only its jobs are read, through the index `jobdeck_by_schedule`, and sorted: they are few compared with all jobs,
        # which a scan from the newest id down would read until it had found enough of them.
        return (
            f"WITH its AS MATERIALIZED (SELECT {columns} FROM jobdeck_jobs WHERE {SCHEDULED} AND {OF_SCHEDULE} = ?)"
            " SELECT * FROM its ORDER BY id DESC LIMIT ?"
        )

    def rows(self, connection: SqlConnection, columns: Sequence[str], source: str, bound: Any = None) -> Sequence[Row]:
        return connection.execute(f"SELECT {', '.join(columns)} {source}", bound).fetchall()

    def for_each(self, outer: str, query: str) -> str:
        return f"{outer} CROSS JOIN LATERAL ({query}) AS entry"


def _walk_lanes(ways: Sequence[Sequence[tuple[str, str]]], clause: str, direction: str, limit: str) -> str:
    """Return what `walks` does, for more lanes than a planner should plan one by one."""
    columns = [column for column, _ in ways[0]]
    names = [f"{column}_" for column in columns]
    values = ", ".join(f"({', '.join(f'{value}::text' for _, value in way)})" for way in ways)
    *before, (column, name) = zip(columns, names, strict=True)
    equal = [f"{each} = {to}" for each, to in before]
    there = " AND ".join([*equal, f"{column} >= {name}", f"{column} <= {name}"])
    order = f"ORDER BY {column} {direction}, id {direction}"
    of_ways = f"FROM (VALUES {values}) AS way ({', '.join(names)}) CROSS JOIN LATERAL"
    if not limit:
        return f"SELECT id {of_ways} (SELECT id FROM jobdeck_jobs WHERE {there} AND {clause}) AS walk ORDER BY id {direction}"
    # Only the scans whose first jobs are the first of all can hold those that are wanted.
    jobs, lanes = f"SELECT id FROM jobdeck_jobs WHERE {there} AND {clause} {order}", ", ".join(names)
    return (
        f"SELECT id FROM (SELECT {lanes} {of_ways} ({jobs} LIMIT 1) AS head ORDER BY id {direction} {limit}) AS front"
        f" CROSS JOIN LATERAL ({jobs} {limit}) AS walk ORDER BY id {direction} {limit}"
    )


def _argument(path: Sequence[str], bound: Bound) -> str:
    return f"jobdeck_argument(args, {bind(bound, [*path])}::text[])"


def _folded(column: str, foldings: Mapping[str, str], bound: Bound, *, dotted: bool) -> str:
    """Return the text of the column with these letters folded, and no others."""
    single = {each: to for each, to in foldings.items() if len(to) == 1}
    folded = f"translate({column}, {bind(bound, ''.join(single.keys()))}, {bind(bound, ''.join(single.values()))})"
    several = [(each, to) for each, to in foldings.items() if len(to) > 1]
    for each, to in [*several, *[DOTTED] * dotted]:
        folded = f"replace({folded}, {bind(bound, each)}, {bind(bound, to)})"
    return folded


def _may_hold(column: str, values: Sequence[str | Pattern], bound: Bound) -> str:
    """Test whether JSON can hold a text that is, or matches, one of the values, five times as fast as by parsing the JSON.

    Text that is not part of JSON's grammar occurs in it literally, unless something is escaped.
    """
    literals = [value.literals if isinstance(value, Pattern) else (value,) for value in values]
    pieces = [max((piece for each in texts for piece in _NOT_AS_IT_IS.split(each)), key=len, default="") for texts in literals]
    if not all(pieces) or len(pieces) > _MOST_PIECES:
        return f"{column} <> '[]'"  # as most tags are
    held = [f"strpos({column}, {bind(bound, piece)}) > 0" for piece in pieces]
    return f"({' OR '.join(held)} OR strpos({column}, '\\') > 0)"


POSTGRES = PostgresDialect()
