"""Reads the totals since a queue exists, and deletes those of queues and kinds that are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ...model.states import FINAL, State
from ...model.totals import DurationTotals, KindTotals, Totals
from ..backend import Backend, SqlConnection, rows_of
from ..counters import RUN_SUM, WAIT_SUM
from ..records import RowCheck

_HOUR = 3600
_PAIRS_A_QUERY = 200
_FINAL_STATES = tuple(state for state in State if state in FINAL)
_FINISHED = ", ".join(f"'{state}'" for state in _FINAL_STATES)
# All rows are added up inside the database; only those of the shown pairs are read. Each pair has a row with the sum of its
# waits.
_PAIRS = f"""
SELECT queue, kind, sum(CASE WHEN measure IN ({_FINISHED}) THEN n ELSE 0 END),
       sum(CASE measure WHEN 'retried' THEN n ELSE 0 END), sum(CASE measure WHEN 'crashed' THEN n ELSE 0 END),
       sum(CASE measure WHEN 'late' THEN n ELSE 0 END)
  FROM jobdeck_totals WHERE measure IN ({_FINISHED}, 'retried', 'crashed', 'late', '{WAIT_SUM}') GROUP BY queue, kind
"""
_ROWS = "SELECT queue, kind, measure, bucket, sum(n) FROM jobdeck_totals {where} GROUP BY queue, kind, measure, bucket"
_check = RowCheck("jobdeck_totals", "queue, kind, measure, bucket, n")
_GONE = """
DELETE FROM jobdeck_totals WHERE NOT EXISTS (
    SELECT 1 FROM jobdeck_counts AS kept WHERE kept.queue = jobdeck_totals.queue AND kept.kind = jobdeck_totals.kind)
   AND (queue, kind) NOT IN (SELECT queue, kind FROM jobdeck_metrics)
"""


def read_totals(connection: SqlConnection, limit: int) -> Totals:
    """Return the totals of the `limit` pairs of queue and kind with the most finished jobs."""
    pairs = rows_of(connection, _PAIRS)
    retries, crashes, late = (int(sum(row[place] for row in pairs)) for place in (3, 4, 5))
    pairs.sort(key=lambda row: (-row[2], row[0], row[1]))
    shown = sorted((row[0], row[1]) for row in pairs[:limit])
    kinds = _read_kinds(connection, shown, everything=len(shown) == len(pairs))
    return Totals(
        kinds=tuple(kinds), kinds_left_out=len(pairs) - len(shown), retries=retries, crashes=crashes, late_results=late
    )


def _read_kinds(connection: SqlConnection, pairs: list[tuple[str, str]], *, everything: bool) -> Iterator[KindTotals]:
    totals: defaultdict[tuple[str, str], defaultdict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in _rows(connection, pairs, everything=everything):
        _check(row)
        queue, kind, measure, bucket, n = row
        totals[queue, kind][measure][bucket] = int(n)
    for queue, kind in pairs:
        found = totals[queue, kind]
        yield KindTotals(
            queue=queue,
            kind=kind,
            finished={state: found[state].get(0, 0) for state in _FINAL_STATES},
            run=DurationTotals(octaves=found["run"], sum=found[RUN_SUM].get(0, 0) / 1e6),
            wait=DurationTotals(octaves=found["wait"], sum=found[WAIT_SUM].get(0, 0) / 1e6),
        )


def _rows(
    connection: SqlConnection, pairs: list[tuple[str, str]], *, everything: bool
) -> Iterator[tuple[str, str, str, int, int]]:
    if everything:
        yield from connection.execute(_ROWS.format(where=""))
        return
    for first in range(0, len(pairs), _PAIRS_A_QUERY):
        some = pairs[first : first + _PAIRS_A_QUERY]
        where = f"WHERE (queue, kind) IN (VALUES {', '.join(['(?, ?)'] * len(some))})"
        yield from connection.execute(_ROWS.format(where=where), [name for pair in some for name in pair])


def prune_totals(backend: Backend, pruned_at: float) -> float:
    """See `SqlMetrics.prune_totals`. Returns the time of the last deletion, for the next call."""
    with backend.read_transaction() as connection:
        now = backend.now(connection)
    if pruned_at <= now < pruned_at + _HOUR:
        return pruned_at
    return backend.retry_on_conflict(lambda: _delete_gone(backend, now))


def _delete_gone(backend: Backend, now: float) -> float:
    with backend.write_transaction() as connection:
        connection.execute(_GONE)
    return now
