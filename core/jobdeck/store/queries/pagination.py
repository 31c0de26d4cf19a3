"""Which ids a page holds: the query that finds them without reading jobs that are not on it.

A database would choose an index by the look of the condition (SQLite, which keeps no statistics here), or take the jobs
of a state to be spread evenly over all of them (PostgreSQL). The depth counters know better: they say how many jobs each
state, queue and kind holds. So the index is chosen here, by the fewest jobs that it has to be read through; several values
of one column are several walks through its index, merged as they go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...model.errors import InvalidOption
from ...model.filter import Condition, Term, is_pattern
from ...model.states import State
from ..backend import SqlConnection, rows_of
from .dialect import Bound, Dialect
from .filter_sql import WAIT, schedule_tail, where

_SORTED = {
    "id": "id",
    "state": "state",
    "kind": "kind",
    "queue": "queue",
    "priority": "priority",
    "attempt": "attempt",
    "age": "created_at",
    "took": "(finished_at - started_at)",
    "error": "error",
    "due": "scheduled_at",
    "started": "started_at",
    "finished": "finished_at",
    "wait": f"({WAIT})",
    "worker": "worker",
    "unique": "unique_key",
    "batch": "batch",
    "progress": "progress",
    "args": "args",
}
SORTS = (
    *("id", "state", "kind", "queue", "priority", "attempt", "age", "took", "error"),
    *("due", "started", "finished", "wait", "worker", "tags", "unique", "batch", "progress", "args"),
)
"""The keys that a list can be sorted by. Jobs without the value come last, in either direction."""
COUNTED = ("state", "queue", "kind")
"""Columns that the depth counters know, each with an index of its own."""
_WALKS = 16
"""Walks that are merged at most."""


@dataclass(frozen=True, slots=True)
class IndexScan:
    """A way through the jobs: an index, and the value of each of its columns, for each of the walks."""

    index: str
    columns: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]


def ids_query(
    connection: SqlConnection,
    dialect: Dialect,
    condition: Condition,
    now: float,
    sort: str,
    descending: bool,
    limit: int | None,
) -> tuple[str, Bound]:
    """A query for the ids that meet the condition, in order, and the values it names."""
    if sort not in SORTS:
        raise InvalidOption("sort", f"must be one of {', '.join(SORTS)}, not {sort!r}")
    clause, bound = where(condition, now, dialect)
    direction, most = ("DESC" if descending else "ASC"), ""
    if limit is not None:
        bound["limit"], most = limit, "LIMIT :limit"
    if sort != "id":
        order = f"{dialect.sorted_tags if sort == 'tags' else _SORTED[sort]} {direction} NULLS LAST, id {direction}"
        return f"SELECT id FROM jobdeck_jobs WHERE {clause} ORDER BY {order} {most}", bound
    scan = _choose_scan(connection, dialect, condition)
    if scan is None:
        return f"SELECT id FROM jobdeck_jobs {dialect.by('')} WHERE {clause} ORDER BY id {direction} {most}", bound
    if not scan.values:
        return "SELECT 0 AS id WHERE false", {}
    ways = []
    for number, values in enumerate(scan.values):
        names = [f"walk{number}_{place}" for place in range(len(values))]
        bound.update(zip(names, values, strict=True))
        ways.append([(column, f":{name}") for column, name in zip(scan.columns, names, strict=True)])
    return dialect.walks(scan.index, ways, clause, direction, most), bound


def count_query(dialect: Dialect, condition: Condition, now: float, by: str | None = None) -> tuple[str, Bound]:
    """A query for how many jobs meet the condition, by the depth counters where they know; `by` a column if need be."""
    clause, bound = where(condition, now, dialect)
    if all(term.field in COUNTED for term in condition.terms):
        counted = f"coalesce(sum(n), 0) FROM jobdeck_counts WHERE {clause}"
    else:
        counted = f"count(*) FROM jobdeck_jobs WHERE {clause}"
    return (f"SELECT {counted}", bound) if by is None else (f"SELECT {by}, {counted} GROUP BY {by}", bound)


def _choose_scan(connection: SqlConnection, dialect: Dialect, condition: Condition) -> IndexScan | None:
    """The way past the fewest jobs; `None` stands for all of them by their id."""
    batches = _numbers(condition, "batch")
    if batches is not None and len(batches) * len(State) <= 4 * _WALKS:
        return IndexScan("jobdeck_by_batch", ("batch", "state"), [(batch, state.value) for batch in batches for state in State])
    if _numbers(condition, "id") is not None:
        return None  # looked up one by one
    schedules = condition.only("schedule")
    if schedules is not None and len(schedules) <= _WALKS:
        return IndexScan("jobdeck_by_schedule", (dialect.of_schedule,), [(schedule_tail(name),) for name in sorted(schedules)])
    counted = tuple(term for term in condition.terms if term.field in COUNTED)
    if not counted:
        return None
    held = _known_values(connection, dialect, counted)
    total = int(connection.execute("SELECT coalesce(sum(n), 0) FROM jobdeck_counts").get)
    best: IndexScan | None = None
    fewest = total
    for column in COUNTED:
        values = held[column]
        if len(values) > _WALKS:
            continue
        jobs = _jobs_with(connection, column, values)
        if jobs < fewest or not values:
            best, fewest = IndexScan(f"jobdeck_by_{column}", (column,), [(value,) for value in values]), jobs
    return best


def _known_values(connection: SqlConnection, dialect: Dialect, terms: tuple[Term, ...]) -> dict[str, list[str]]:
    """Of each counted column the values that jobs which meet the terms have."""
    clause, bound = where(Condition(terms), 0.0, dialect)
    rows = rows_of(connection, f"SELECT queue, kind, state FROM jobdeck_counts WHERE n > 0 AND {clause}", bound)
    found: dict[str, dict[str, None]] = {column: {} for column in COUNTED}
    for queue, kind, state in rows:
        found["queue"][queue] = found["kind"][kind] = found["state"][state] = None
    return {column: [*values] for column, values in found.items()}


def _jobs_with(connection: SqlConnection, column: str, values: Sequence[str]) -> int:
    counted: Counter[str] = Counter()
    for value, n in connection.execute(f"SELECT {column}, sum(n) FROM jobdeck_counts GROUP BY {column}"):
        counted[value] = n
    return sum(counted[value] for value in values)


def _numbers(condition: Condition, field: str) -> list[int] | None:
    """The whole numbers that a positive `field:` term admits; `None` if there is no such term."""
    for term in condition.terms:
        if term.field == field and term.op == ":" and not term.negated and not any(map(is_pattern, term.values)):
            return [
                *dict.fromkeys(int(value) for value in term.values if float(value).is_integer() and abs(float(value)) < 2**63)
            ]
    return None
