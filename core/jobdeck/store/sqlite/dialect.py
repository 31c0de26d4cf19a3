"""The SQL of SQLite for filters and queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...json_functions import json
from ..backend import SqlConnection
from ..queries.dialect import Bound, Dialect, IndexScan, bind
from ..records import Row

if TYPE_CHECKING:
    from ...model.filter import Literal
    from ...model.filter_text import Pattern

OF_SCHEDULE = "substr(tags, instr(tags, '\"schedule:'))"
"""The end of the tags, from the tag of the schedule on, which is the last one. As in the index `jobdeck_by_schedule`."""
SCHEDULED = "instr(tags, '\"schedule:') > 0"


# Unreadable tags match no condition, instead of failing the query.
_TAGS = "json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END)"


_PRIORITIES = """
WITH RECURSIVE lanes AS ({lanes}), priorities AS (
    SELECT state, queue, kind,
           (SELECT max(job.priority) FROM jobdeck_jobs AS job
             WHERE job.state = lanes.state AND job.queue = lanes.queue AND job.kind = lanes.kind) AS priority
      FROM lanes
    UNION ALL
    SELECT state, queue, kind,
           (SELECT max(job.priority) FROM jobdeck_jobs AS job
             WHERE job.state = priorities.state AND job.queue = priorities.queue AND job.kind = priorities.kind
               AND job.priority < priorities.priority)
      FROM priorities WHERE priority IS NOT NULL)"""
"""The lanes with each of their priorities, after the last of which comes NULL; one search of the index for each."""
_MERGED = 64
"""The number of scans that are planned one by one, and merged."""


class SqliteDialect(Dialect):
    """The dialect of SQLite."""

    sorted_tags = "CASE WHEN json_valid(tags) THEN nullif(tags, '[]') END"
    lane = ("state", "queue", "kind", "priority")
    most_lanes = 10_000
    scheduled = SCHEDULED
    of_schedule = OF_SCHEDULE
    searched_args = (
        "CASE WHEN instr(args, '\"base_env\":') > 0 AND json_valid(args)"
        " THEN json_array(args -> '$.command', args ->> '$.cwd') ELSE args END"
    )
    failure_place = "jobdeck_failure_place(attempt.error_type, attempt.message, attempt.traceback)"

    def one_of(self, column: str, values: Sequence[Literal], bound: Bound) -> str:
        return f"{column} IN ({', '.join(bind(bound, value) for value in values)})"

    def compared(self, column: str, op: str, value: float, bound: Bound, *, whole: bool) -> str:
        return f"{column} {op} {bind(bound, value)}"

    def like(self, column: str, pattern: Pattern, bound: Bound) -> str:
        return f"{column} GLOB {bind(bound, pattern.write('*', '?', _escape_glob))}"

    def part(self, column: str, value: str | Pattern, bound: Bound) -> str:
        from ...model.case_folding import fold_value, foldings_into  # imported late: needed for filters only
        from ..queries.filter_sql import like_pattern

        folded = fold_value(value)
        characters = "".join(folded.literals)
        tests = []
        if characters.isascii():  # the folding of LIKE is that of ASCII
            pattern = bind(bound, f"%{like_pattern(folded)}%")
            tests.append(f"{column} LIKE {pattern} ESCAPE '\\'")
        if not "".join(foldings_into(characters)).isascii() or not characters.isascii():
            written = bind(bound, str(folded))
            tests.append(f"(octet_length({column}) <> length({column}) AND jobdeck_contains({column}, {written}))")
        return f"({' OR '.join(tests)})"

    def tagged(self, tags: Sequence[str], bound: Bound) -> str:
        return f"EXISTS (SELECT 1 FROM {_TAGS} WHERE {self.one_of('value', tags, bound)})"

    def tagged_like(self, pattern: Pattern, bound: Bound) -> str:
        return f"EXISTS (SELECT 1 FROM {_TAGS} WHERE {self.like('value', pattern, bound)})"

    def tagged_part(self, value: str | Pattern, bound: Bound) -> str:
        found = f"SELECT 1 FROM {_TAGS} WHERE {self.part('value', value, bound)}"
        return f"(instr(tags, '\\') > 0 AND EXISTS ({found}))"

    def argument_is(self, path: Sequence[str], values: Sequence[str], bound: Bound) -> str:
        return self.one_of(_argument(path, bound), values, bound)

    def argument_like(self, path: Sequence[str], pattern: Pattern, bound: Bound) -> str:
        return self.like(_argument(path, bound), pattern, bound)

    def aged(self, priority: str, due: str) -> str:
        return f"{priority} + CAST(max(0, :now - {due}) / :ageing AS INTEGER)"

    def by(self, index: str) -> str:
        return f"INDEXED BY {index}" if index else "NOT INDEXED"

    def lane_scans(self, connection: SqlConnection, lanes: Sequence[Sequence[str]]) -> Sequence[Sequence[Any]]:
        of_each = "SELECT value ->> 0 AS state, value ->> 1 AS queue, value ->> 2 AS kind FROM json_each(:lanes)"
        found = "SELECT * FROM priorities WHERE priority IS NOT NULL LIMIT :most"
        row = f"json_array({', '.join(self.lane)})"
        query = f"{_PRIORITIES.format(lanes=of_each)} SELECT json_group_array({row}) FROM ({found})"
        bound = {"lanes": json.dumps(lanes), "most": self.most_lanes + 1}
        scans: list[list[Any]] = json.loads(connection.execute(query, bound).get)
        return scans

    def walks(self, scan: IndexScan, clause: str, direction: str, limit: str, bound: Bound) -> str:
        def walk(way: Sequence[tuple[str, str]], ways: str = "") -> str:
            there = " AND ".join(f"{column} = {value}" for column, value in way)
            return f"SELECT id FROM {ways} jobdeck_jobs INDEXED BY {scan.index} WHERE {there} AND {clause}"

        order = f"ORDER BY id {direction}"
        if len(scan.values) <= _MERGED:
            return f"{' UNION ALL '.join(map(walk, scan.bind(bound)))} {order} {limit}"
        names = [f"v{place}" for place in range(len(scan.columns))]
        columns = ", ".join(f"value ->> {place} AS {name}" for place, name in enumerate(names))
        ways = f"SELECT {columns} FROM json_each({bind(bound, json.dumps(scan.values))})"
        way = [*zip(scan.columns, names, strict=True)]
        if not limit:
            return f"{walk(way, f'({ways}) CROSS JOIN')} {order}"
        of_each = walk(way)
        # Only the scans whose first jobs are the first of all can have those that are wanted.
        heads = f"WITH heads AS MATERIALIZED (SELECT *, ({of_each} {order} LIMIT 1) AS head FROM ({ways}))"
        first = f"({heads} SELECT * FROM heads WHERE head IS NOT NULL ORDER BY head {direction} {limit})"
        return f"SELECT id FROM {self.for_each(first, f'{of_each} {order} {limit}')} {order} {limit}"

    def oldest_pending(self, columns: str, limit: int) -> str:
        lanes = "SELECT state, queue, kind FROM jobdeck_counts WHERE state = 'pending' AND n > 0"
        of_one = (
            "SELECT id FROM jobdeck_jobs AS job INDEXED BY jobdeck_by_lane WHERE job.state = priorities.state"
            " AND job.queue = priorities.queue AND job.kind = priorities.kind AND job.priority = priorities.priority"
            f" ORDER BY id LIMIT {limit}"
        )
        oldest = f"SELECT entry.id FROM {self.for_each('priorities', of_one)} ORDER BY 1 LIMIT {limit}"
        return f"{_PRIORITIES.format(lanes=lanes)} SELECT {columns} FROM jobdeck_jobs WHERE id IN ({oldest})"

    def schedule_history(self, columns: str) -> str:
        return (
            f"SELECT {columns} FROM jobdeck_jobs INDEXED BY jobdeck_by_schedule"
            f" WHERE {SCHEDULED} AND {OF_SCHEDULE} = ? ORDER BY id DESC LIMIT ?"
        )

    def rows(self, connection: SqlConnection, columns: Sequence[str], source: str, bound: Any = None) -> Sequence[Row]:
        # Each row that is fetched releases the interpreter's lock, and takes half a millisecond to get it back while another
        # thread is busy: so all of them are fetched as one.
        named = [f"{column} AS told{place}" for place, column in enumerate(columns)]
        text = ", ".join(f"told{place}" for place in range(len(columns)))
        query = f"SELECT json_group_array(json_array({text})) FROM (SELECT {', '.join(named)} {source})"
        found: list[Row] = json.loads(connection.execute(query, bound).get)
        return found

    def for_each(self, outer: str, query: str) -> str:
        found = f"json_each((SELECT json_group_array(id) FROM ({query})))"
        return f"(SELECT entry.value AS id FROM {outer} CROSS JOIN {found} AS entry) AS entry"


def _escape_glob(text: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in text)


def _argument(path: Sequence[str], bound: Bound) -> str:
    # Digits are indexes of a list; other names are quoted, and `parse` refuses those that could end the quotes.
    steps = [f"[{step}]" if step.isascii() and step.isdigit() else f'."{step}"' for step in path]
    name = bind(bound, "$" + "".join(steps))
    # Unreadable arguments match no condition, instead of failing the query.
    return (
        f"CASE WHEN json_valid(args) THEN"
        f" CASE json_type(args, {name}) WHEN 'text' THEN args ->> {name} ELSE args -> {name} END END"
    )


SQLITE = SqliteDialect()
