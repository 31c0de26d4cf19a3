"""Claims ready jobs for workers in PostgreSQL, each for one worker only.

Three statements, as in SQLite. The *board* lists the lanes (a queue and a kind) with pending jobs, and the limits; the *pick*
reads the first few jobs of each open lane from the index of ready rows; the claim itself is a single UPDATE that takes those
of the selected jobs that no other transaction is taking (`SKIP LOCKED`), issues the leases and counts the attempts. So no claim
waits for another one.

The pick of a single lane locks the rows, past those that others have locked, so that each process gets other jobs; without
limits it is one statement with the claim. Among several lanes it would lock many jobs that are not claimed, and locks none: if
others were faster, the next round searches past the jobs that they took, and further.

Limits hold across all processes. Claims under a limit run one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from ...model.states import State
from ..backend import rows_of
from ..base import Claimed
from ..claim_capacity import ClaimCapacity, ClaimRequest, select_claimable
from ..lane_merge import FEW_LANES, Head, Lane, first_of_lanes
from ..records import COLUMN_INDEX, JOB_COLUMNS, NO_TAGS, Row, claimed_job_reader
from .advisory_locks import LIMITS, advisory_lock
from .connection import Connections, retried
from .counters import PostgresCounterDeltas
from .session import Session

_LANES = "SELECT queue, kind, state, n FROM jobdeck_counts WHERE state IN ('pending', 'running') AND n > 0"
_QUEUES = """
SELECT name, paused_at, max_running, rate, rate_period FROM jobdeck_queues
 WHERE paused_at IS NOT NULL OR max_running IS NOT NULL OR rate IS NOT NULL
"""

# The columns that decide, as they will be once claimed; the claim reads the others.
_DECIDED = {"id": "job.id", "kind": "job.kind", "queue": "job.queue", "crashes": "job.crashes"}
_DECIDED |= {"attempt": "job.attempt + 1", "max_attempts": "job.max_attempts"}
_COLUMNS = ", ".join(_DECIDED.get(column, "NULL") for column in JOB_COLUMNS.split(", "))
_READY = """ready.state = 'pending' AND ready.queue = {lane}.queue AND ready.kind = {lane}.kind
       AND (ready.expires_at IS NULL OR ready.expires_at > :now) AND (ready.crashes = 0 OR :crashed::boolean)
       AND ready.id <> ALL(:passed::bigint[])"""
_AGED = "{}priority + trunc(greatest(0, :now::double precision - {}scheduled_at) / :ageing::double precision)::bigint"

_PICK = f"""
SELECT {_COLUMNS}
  FROM unnest(:queues::text[], :kinds::text[]) AS lane (queue, kind)
 CROSS JOIN LATERAL (
    SELECT * FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="lane")}
     ORDER BY ready.priority DESC, ready.id LIMIT :limit) AS job
 ORDER BY job.priority DESC, job.id LIMIT :limit
"""

_PICK_LOCKED = _PICK.replace("LIMIT :limit) AS job", "LIMIT :limit FOR UPDATE SKIP LOCKED) AS job")

# For a single lane without limits, pick and claim in one statement. Jobs for the prefetch (beyond `idle`) end at the first one
# on its last attempt, as in `select_claimable`. With a suspect among the jobs nothing is claimed, and the last column counts
# them. The ids are an array, which the planner takes for a short one, however many rows it expects of the pick. What the
# claimer knows of each job, it does not ask for: most of what the server sends would be the same for all rows.
_KNOWN = ("queue", "kind", "state", "worker")
_UNKNOWN = ", ".join(
    "NULL" if column in _KNOWN else f"nullif(tags, '{NO_TAGS}')" if column == "tags" else column
    for column in JOB_COLUMNS.split(", ")
)
_CLAIM_LANE = f"""
WITH picked AS MATERIALIZED (
    SELECT job.id, job.crashes, job.attempt + 1 >= job.max_attempts AS last,
           row_number() OVER (ORDER BY job.priority DESC, job.id) AS place
      FROM (SELECT :queue::text AS queue, :kind::text AS kind) AS lane
     CROSS JOIN LATERAL (
        SELECT * FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="lane").replace(":now", ":began")}
         ORDER BY ready.priority DESC, ready.id LIMIT :limit FOR UPDATE SKIP LOCKED) AS job),
claimed AS (
    UPDATE jobdeck_jobs AS job
       SET {{taken}}
     WHERE job.id = ANY(ARRAY(
        SELECT id FROM picked WHERE NOT EXISTS (SELECT 1 FROM picked WHERE crashes > 0)
           AND place < coalesce((SELECT min(place) FROM picked WHERE last AND place > :idle), 1 + :limit)))
 RETURNING {JOB_COLUMNS})
SELECT {_UNKNOWN}, (SELECT count(*) FROM picked WHERE crashes > 0)
  FROM (SELECT 1) AS one LEFT JOIN claimed ON true ORDER BY priority DESC, id
"""

# For many lanes, in two steps: the ids of the first few rows of each lane, then those that are the first of all.
_HEADS = f"""
SELECT lane.number, job.priority, job.id
  FROM unnest(:queues::text[], :kinds::text[], :numbers::integer[]) AS lane (queue, kind, number)
 CROSS JOIN LATERAL (
    SELECT ready.priority, ready.id FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="lane")}
     ORDER BY ready.priority DESC, ready.id LIMIT :depth) AS job
 ORDER BY job.priority DESC, job.id LIMIT :limit
"""
_PICK_IDS = f"""
SELECT {_COLUMNS} FROM unnest(:ids::bigint[]) WITH ORDINALITY AS first (id, place) JOIN jobdeck_jobs AS job ON job.id = first.id
 ORDER BY first.place
"""

# With ageing, a lane is one priority of a queue and kind: within it the oldest jobs come first, and across lanes the
# effective priority decides (`_AGED` is what `model.priority.effective_priority` computes).
_PICK_AGED = f"""
WITH RECURSIVE band (queue, kind, priority) AS (
    SELECT lane.queue, lane.kind, (SELECT max(priority) FROM jobdeck_jobs
             WHERE state = 'pending' AND queue = lane.queue AND kind = lane.kind)
      FROM unnest(:queues::text[], :kinds::text[]) AS lane (queue, kind)
    UNION ALL
    SELECT queue, kind, (SELECT max(priority) FROM jobdeck_jobs AS next
             WHERE next.state = 'pending' AND next.queue = band.queue AND next.kind = band.kind
               AND next.priority < band.priority)
      FROM band WHERE priority IS NOT NULL)
SELECT {_COLUMNS}
  FROM band
 CROSS JOIN LATERAL (
    SELECT * FROM jobdeck_jobs AS ready WHERE {_READY.format(lane="band")} AND ready.priority = band.priority
     ORDER BY ready.id LIMIT :limit) AS job
 WHERE band.priority IS NOT NULL
 ORDER BY {_AGED.format("job.", "job.")} DESC, job.id LIMIT :limit
"""

# The time is read as late as possible: a job that was committed after this transaction began must not start before it is due.
_NOW = "coalesce(:now::double precision, extract(epoch FROM clock_timestamp()))"
_LEASE_NOW = "coalesce(:lease_now::double precision, extract(epoch FROM clock_timestamp()))"
_TAKEN = f"""state = 'running', attempt = attempt + 1, worker = :worker, lease = :lease::bigint + job.id,
           lease_until = {_LEASE_NOW} + :seconds::double precision, started_at = {_NOW}, progress = NULL"""
_CLAIM_LANE = _CLAIM_LANE.format(taken=_TAKEN)
# A job may have been edited after it was picked, and be in another lane.
_CLAIM = f"""
WITH mine AS MATERIALIZED (
    SELECT ready.id, wanted.place
      FROM unnest(:ids::bigint[], :queues::text[]) WITH ORDINALITY AS wanted (id, queue, place)
      JOIN jobdeck_jobs AS ready ON ready.id = wanted.id
     WHERE ready.state = 'pending' AND ready.queue = wanted.queue
     ORDER BY wanted.place LIMIT :limit FOR UPDATE OF ready SKIP LOCKED),
claimed AS (
    UPDATE jobdeck_jobs AS job
       SET {_TAKEN}
      FROM mine WHERE job.id = mine.id
 RETURNING {", ".join(f"job.{column}" for column in JOB_COLUMNS.split(", "))}, mine.place)
SELECT {JOB_COLUMNS} FROM claimed ORDER BY place
"""

_FURTHER = 4
"""The factor by which each round reads more jobs, if others took those of the round before."""
_ROUNDS = 4
"""The number of rounds in which jobs are searched for the prefetch, too, if others took some."""

_ID, _KIND, _QUEUE, _CRASHES = COLUMN_INDEX["id"], COLUMN_INDEX["kind"], COLUMN_INDEX["queue"], COLUMN_INDEX["crashes"]
_STATE, _WORKER, _TAGS = COLUMN_INDEX["state"], COLUMN_INDEX["worker"], COLUMN_INDEX["tags"]


class Claimer:
    """Claims jobs for workers."""

    def __init__(self, connections: Connections, random: Random) -> None:
        self._connections = connections
        self._random = random

    @retried
    def claim(self, request: ClaimRequest) -> Claimed:
        """See `base.Claimer.claim`."""
        claimed = Claimed()
        with self._connections.write_transaction() as session:
            session.keep_plans()
            now = self._connections.lease_now(session)
            capacity = _read_capacity(session, request, now)
            if capacity.limited and capacity.open_lanes():
                advisory_lock(session, LIMITS)
                capacity = _read_capacity(session, request, now)
            rows = self._claim(session, request, capacity, claimed)
            claimed.retry_after = capacity.retry_after
            if rows:
                counters = PostgresCounterDeltas()
                for (queue, kind), n in Counter((row[_QUEUE], row[_KIND]) for row in rows).items():
                    counters.count_transition(queue, kind, State.PENDING, State.RUNNING, n)
                counters.write(session)
                _record_starts(session, capacity, now)
        claimed.extend(map(claimed_job_reader(self._connections.lease_skew()), rows))
        return claimed

    def _claim(self, session: Session, request: ClaimRequest, capacity: ClaimCapacity, result: Claimed) -> list[Row]:
        """Claim jobs for the worker, nearly always in one round, and set `contended` of the result.

        If a round withholds jobs, because their queue or kind has no capacity left, they are suspects, or another transaction
        is taking them, it may have seen no others. The next round then searches past them, for the threads that are still
        idle.
        """
        given_now, given_lease_now = self._connections.given_times(session)
        claiming = {
            "now": given_now,
            "lease_now": given_lease_now,
            "worker": request.worker,
            # Random, and different for each job of the claim; 62 bits so that adding an id stays an integer.
            "lease": self._random.getrandbits(62),
            "seconds": request.lease,
        }
        bound: dict[str, Any] = {"now": self._connections.now(session), "ageing": request.ageing}
        claimed: list[Row] = []
        passed: list[int] = []
        need, suspects = request.idle + request.ahead, request.suspects
        limit = need
        if need > 0 and not capacity.limited and not request.ageing and len(lanes := capacity.open_lanes()) == 1:
            ((queue, kind),) = lanes
            wanted = {"queue": queue, "kind": kind, "limit": limit, "idle": request.idle, "passed": [], "crashed": suspects}
            rows = session.execute_binary(_CLAIM_LANE, claiming | wanted | {"began": bound["now"]}).fetchall()
            if not rows[0][-1]:
                return [_completed(row, queue, kind, request.worker) for row in rows if row[_ID] is not None]
        rounds = 0
        while need > 0 and (lanes := capacity.open_lanes()):
            rounds += 1
            picking = bound | {"limit": limit, "passed": passed, "crashed": suspects}
            if len(lanes) > FEW_LANES and not request.ageing:
                heads = first_of_lanes(lanes, limit, partial(_read_heads, session, picking, lanes))
                picked = rows_of(session, _PICK_IDS, {"ids": [head[2] for head in heads]})
            else:
                queues, kinds = map(list, zip(*lanes, strict=True))
                query = _PICK_AGED if request.ageing else _PICK_LOCKED if len(lanes) == 1 else _PICK
                picked = rows_of(session, query, picking | {"queues": queues, "kinds": kinds})
            idle = request.idle - len(claimed)
            chosen = select_claimable(picked, idle, capacity, suspects=suspects)
            ids = [row[_ID] for row in chosen]
            taking = {"ids": ids, "queues": [row[_QUEUE] for row in chosen], "limit": need}
            mine = rows_of(session, _CLAIM, claiming | taking) if chosen else []
            got = {row[_ID] for row in mine}
            for row in chosen:
                if row[_ID] not in got:
                    capacity.release(row[_QUEUE], row[_KIND])
            claimed += mine
            # Once each idle thread has a job, the jobs after the last of them were not considered.
            seen = len(picked) if len(chosen) < idle else [row[_ID] for row in picked].index(ids[-1]) + 1 if ids else 0
            passed += [row[_ID] for row in picked[:seen] if row[_ID] not in got]
            exhausted = seen == len(picked) < limit
            result.contended = not exhausted and len(mine) < min(len(chosen), need)
            if exhausted:
                break
            suspects = suspects and not any(row[_CRASHES] for row in mine)
            need = request.idle - len(claimed) + (request.ahead if result.contended and rounds < _ROUNDS else 0)
            limit = limit * _FURTHER if result.contended else need
        return claimed


def _completed(row: Row, queue: str, kind: str, worker: str) -> Row:
    """Return a row of `_CLAIM_LANE` with what is known of all jobs of the claim."""
    values = list(row)
    values.pop()
    values[_QUEUE], values[_KIND], values[_STATE], values[_WORKER] = queue, kind, State.RUNNING.value, worker
    if values[_TAGS] is None:
        values[_TAGS] = NO_TAGS
    return values


def _read_heads(
    session: Session, bound: Mapping[str, Any], lanes: Sequence[Lane], numbers: Sequence[int], depth: int
) -> Sequence[Head]:
    """Return the first few ready jobs of these lanes; see `first_of_lanes`."""
    queues, kinds = map(list, zip(*(lanes[number] for number in numbers), strict=True))
    wanted = {"queues": queues, "kinds": kinds, "numbers": [*numbers], "depth": depth}
    return [(number, priority, id) for number, priority, id in rows_of(session, _HEADS, {**bound, **wanted})]


def _read_capacity(session: Session, request: ClaimRequest, now: float) -> ClaimCapacity:
    lanes, queues = (found.fetchall() for found in session.together((_LANES, None), (_QUEUES, None)))
    return ClaimCapacity(request, _lane_tuples(lanes), _queue_tuples(queues), partial(_started_within, session, now))


def _lane_tuples(rows: Sequence[Row]) -> list[tuple[str, str, str, int]]:
    return [(queue, kind, state, n) for queue, kind, state, n in rows]


def _queue_tuples(rows: Sequence[Row]) -> list[tuple[str, float | None, int | None, int | None, float | None]]:
    return [(name, paused_at, most, rate, period) for name, paused_at, most, rate, period in rows]


def _started_within(session: Session, now: float, queue: str, period: float) -> tuple[int, float]:
    """Return the number of starts in the last `period` seconds, and the seconds until the first of them is older than that."""
    ((n, first),) = rows_of(
        session,
        "SELECT coalesce(sum(n), 0), min(at) FROM jobdeck_starts WHERE queue = ? AND at > ?",
        (queue, now - period),
    )
    return n, (now if first is None else first) + period - now


def _record_starts(session: Session, capacity: ClaimCapacity, now: float) -> None:
    """Record the starts of queues that have a rate."""
    for queue, n in capacity.started.items():
        if n:
            session.defer(
                "INSERT INTO jobdeck_starts (queue, at, n) VALUES (?, ?, ?)"
                " ON CONFLICT (queue, at) DO UPDATE SET n = jobdeck_starts.n + excluded.n",
                (queue, now, n),
            )
            session.defer("DELETE FROM jobdeck_starts WHERE queue = ? AND at <= ?", (queue, now - capacity.periods[queue]))
