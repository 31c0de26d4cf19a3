"""Finds the ids of a page without reading jobs that are not on it.

A database would choose an index by the form of the condition (SQLite, which keeps no statistics here), or assume that the jobs
of a state are spread evenly over all jobs (PostgreSQL). The depth counters are better: they name the lanes (a state, a queue
and a kind) that have jobs. So the index is chosen here; the lanes that meet the condition are several scans of their index,
merged as they are read.
"""

from __future__ import annotations

from ...model.errors import InvalidOption
from ...model.filter import Condition, Term
from ...model.filter_text import Pattern
from ...model.jobs import PAGED_SORTS, PageEnd
from ...model.states import State
from ..backend import SqlConnection, rows_of
from .dialect import Bound, Dialect, IndexScan
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
_BY_LANE = "jobdeck_by_lane"
_COUNTED_FIELDS = ("state", "queue", "kind", "name")
"""Fields of filters that need the columns of the depth counters only."""
_WALKS = 16
"""The number of scans of another index that are merged at most."""


def ids_query(
    connection: SqlConnection,
    dialect: Dialect,
    condition: Condition,
    now: float,
    sort: str,
    descending: bool,
    limit: int | None,
    after: PageEnd | None = None,
) -> tuple[str, Bound]:
    """Return a query for the ids that meet the condition, in order, and its named values."""
    if sort not in SORTS:
        raise InvalidOption("sort", f"must be one of {', '.join(SORTS)}, not {sort!r}")
    scan = _choose_scan(connection, dialect, condition) if sort == "id" else None
    if scan is not None and scan.index == _BY_LANE:  # its lanes meet the terms about them, which a planner would count twice
        condition = Condition(tuple(term for term in condition.terms if term.field not in _COUNTED_FIELDS))
    clause, bound = where(condition, now, dialect)
    if after is not None:
        clause = f"{clause} AND {_behind(sort, descending, after, bound)}"
    direction, most = ("DESC" if descending else "ASC"), ""
    if limit is not None:
        bound["limit"], most = limit, "LIMIT :limit"
    if sort != "id":
        order = f"{dialect.sorted_tags if sort == 'tags' else _SORTED[sort]} {direction} NULLS LAST, id {direction}"
        return f"SELECT id FROM jobdeck_jobs WHERE {clause} ORDER BY {order} {most}", bound
    if scan is None:
        return f"SELECT id FROM jobdeck_jobs {dialect.by('')} WHERE {clause} ORDER BY id {direction} {most}", bound
    if not scan.values:
        return "SELECT 0 AS id WHERE false", {}
    return dialect.walks(scan, clause, direction, most, bound), bound


def _behind(sort: str, descending: bool, after: PageEnd, bound: Bound) -> str:
    """Return the condition that a job comes after the end of a page."""
    if sort not in PAGED_SORTS:
        raise InvalidOption("sort", f"must be one of {', '.join(PAGED_SORTS)} to read page after page, not {sort!r}")
    sign = "<" if descending else ">"
    bound["after_id"] = after.job_id
    if sort == "id":
        return f"id {sign} :after_id"
    column = _SORTED[sort]
    if after.value is None:  # the jobs without the value come last
        return f"({column} IS NULL AND id {sign} :after_id)"
    bound["after"] = after.value
    return f"({column} {sign} :after OR ({column} = :after AND id {sign} :after_id) OR {column} IS NULL)"


def count_query(dialect: Dialect, condition: Condition, now: float, by: str | None = None) -> tuple[str, Bound]:
    """Return a query for the number of jobs that meet the condition, from the depth counters if possible; by a column."""
    clause, bound = where(condition, now, dialect)
    if all(term.field in _COUNTED_FIELDS for term in condition.terms):
        counted = f"coalesce(sum(n), 0) FROM jobdeck_counts WHERE {clause}"
    else:
        counted = f"count(*) FROM jobdeck_jobs WHERE {clause}"
    return (f"SELECT {counted}", bound) if by is None else (f"SELECT {by}, {counted} GROUP BY {by}", bound)


def _choose_scan(connection: SqlConnection, dialect: Dialect, condition: Condition) -> IndexScan | None:
    """Choose the scan of the fewest jobs; `None` means all jobs by id."""
    batches = _numbers(condition, "batch")
    if batches is not None and len(batches) * len(State) <= 4 * _WALKS:
        return IndexScan("jobdeck_by_batch", ("batch", "state"), [(batch, state.value) for batch in batches for state in State])
    if _numbers(condition, "id") is not None:
        return None  # looked up one by one
    schedules = condition.only("schedule")
    if schedules is not None and len(schedules) <= _WALKS:
        return IndexScan("jobdeck_by_schedule", (dialect.of_schedule,), [(schedule_tail(name),) for name in sorted(schedules)])
    counted = tuple(term for term in condition.terms if term.field in _COUNTED_FIELDS)
    if not counted:
        return None
    return _scan_lanes(connection, dialect, counted, alone=len(counted) == len(condition.terms))


def _scan_lanes(connection: SqlConnection, dialect: Dialect, terms: tuple[Term, ...], *, alone: bool) -> IndexScan | None:
    """Return the scan of the lanes whose jobs meet the terms; `None` if those are all jobs, or too many lanes.

    If other terms must be met as well (not `alone`), the jobs are read: most of all jobs sooner by id than lane by lane.
    """
    clause, bound = where(Condition(terms), 0.0, dialect)
    query = f"SELECT state, queue, kind, n, coalesce({clause}, false) FROM jobdeck_counts WHERE n > 0"
    lanes = rows_of(connection, query, bound)
    met = [(state, queue, kind) for state, queue, kind, _, meets in lanes if meets]
    if not alone and 2 * sum(n for *_, n, meets in lanes if meets) > sum(n for *_, n, _ in lanes):
        return None
    if len(met) == len(lanes) > 0 or len(met) > dialect.most_lanes:
        return None
    scans = dialect.lane_scans(connection, met)
    return None if len(scans) > dialect.most_lanes else IndexScan(_BY_LANE, dialect.lane, scans)


def _numbers(condition: Condition, field: str) -> list[int] | None:
    """Return the whole numbers that a positive `field:` term admits; `None` if there is no such term."""
    for term in condition.terms:
        if term.field == field and term.op == ":" and not term.negated:
            values = [value for value in term.values if not isinstance(value, Pattern)]
            return [*dict.fromkeys(int(value) for value in values if float(value).is_integer() and abs(float(value)) < 2**63)]
    return None
