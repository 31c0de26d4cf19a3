"""Claims ready jobs for workers in SQLite, each for one worker only.

A claim is one transaction of three statements, regardless of the number of jobs. The *board* lists the lanes (a queue and a
kind) with pending jobs, and the limits; the *pick* reads the first few jobs of each open lane from the index by lane; the
claim itself is a single UPDATE that issues the leases and counts the attempts. With many lanes, a few statements more find the
first jobs of all (see `lane_merge`). Each statement returns one row: every row that is fetched releases the interpreter's lock,
and takes half a millisecond to get it back while another thread is busy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import apsw

from ...clock import Clock
from ...json_functions import json
from ...model.states import State
from ..backend import rows_of
from ..base import Claimed
from ..claim_capacity import ClaimCapacity, ClaimRequest, select_claimable
from ..lane_merge import FEW_LANES, Head, Lane, first_of_lanes
from ..records import COLUMN_INDEX, JOB_COLUMNS, claimed_job_reader
from .connection import Connections
from .counters import SqliteCounterDeltas

_BOARD = """
SELECT json_array(
    json((SELECT json_group_array(json_array(queue, kind, state, n)) FROM jobdeck_counts
      WHERE state IN ('pending', 'running') AND n > 0)),
    json((SELECT json_group_array(json_array(name, paused_at, max_running, rate, rate_period)) FROM jobdeck_queues
      WHERE paused_at IS NOT NULL OR max_running IS NOT NULL OR rate IS NOT NULL)))
"""

# The rows as they will be once claimed. Values that all of them share are filled in afterwards, and so are neither written
# as JSON nor parsed.
_CLAIMED = {"state": "'running'", "attempt": "attempt + 1", "started_at": "NULL", "worker": "NULL"}
_CLAIMED |= {"lease": ":lease + id", "lease_until": "NULL", "progress": "NULL", "progress_message": "NULL"}
_COLUMNS = ", ".join(_CLAIMED.get(column, column) for column in JOB_COLUMNS.split(", "))
# The second value is the number of rows that must not be prefetched.
_PICKED = f"SELECT json_group_array(json_array({_COLUMNS}) ORDER BY {{order}}), sum({{unsafe}}) FROM"
_UNSAFE = "crashes > 0 OR attempt + 1 >= max_attempts"
_AGED = "priority + CAST(max(0, :now - scheduled_at) / :ageing AS INTEGER)"

# The inner SELECT takes the first few rows of each lane from the index by lane; the outer one merges the lanes.
_PICK = f"""
{_PICKED.format(order="priority DESC, id", unsafe=_UNSAFE)} (
    SELECT job.*
      FROM json_each(:lanes) AS lane
     CROSS JOIN jobdeck_jobs AS job
        ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                       WHERE ready.state = 'pending' AND ready.queue = lane.value ->> 0 AND ready.kind = lane.value ->> 1
                         AND (ready.expires_at IS NULL OR ready.expires_at > :now) AND (ready.crashes = 0 OR :crashed)
                       ORDER BY ready.priority DESC, ready.id LIMIT :limit)
     ORDER BY job.priority DESC, job.id LIMIT :limit)
"""

# For many lanes, in two steps: the ids of the first few rows of each lane, then the rows of those that are the first of all.
_HEADS = """
SELECT json_group_array(json_array(number, priority, id)) FROM (
    SELECT lane.value ->> 2 AS number, job.priority, job.id
      FROM json_each(:lanes) AS lane
     CROSS JOIN jobdeck_jobs AS job
        ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                       WHERE ready.state = 'pending' AND ready.queue = lane.value ->> 0 AND ready.kind = lane.value ->> 1
                         AND (ready.expires_at IS NULL OR ready.expires_at > :now) AND (ready.crashes = 0 OR :crashed)
                       ORDER BY ready.priority DESC, ready.id LIMIT :depth)
     ORDER BY job.priority DESC, job.id LIMIT :limit)
"""
_PICK_IDS = f"""
{_PICKED.format(order="priority DESC, id", unsafe=_UNSAFE)} jobdeck_jobs WHERE id IN (SELECT value FROM json_each(:ids))
"""

# With ageing, a lane is one priority of a queue and kind: within it the oldest jobs come first, and across lanes the
# effective priority decides (`_AGED` is what `model.priority.effective_priority` computes).
_PICK_AGED = f"""
{_PICKED.format(order=f"{_AGED} DESC, id", unsafe=_UNSAFE)} (
    WITH RECURSIVE band (queue, kind, priority) AS (
        SELECT value ->> 0, value ->> 1,
               (SELECT max(priority) FROM jobdeck_jobs
                 WHERE state = 'pending' AND queue = value ->> 0 AND kind = value ->> 1)
          FROM json_each(:lanes)
        UNION ALL
        SELECT queue, kind,
               (SELECT max(priority) FROM jobdeck_jobs AS next
                 WHERE next.state = 'pending' AND next.queue = band.queue AND next.kind = band.kind
                   AND next.priority < band.priority)
          FROM band WHERE priority IS NOT NULL)
    SELECT job.*
      FROM band
     CROSS JOIN jobdeck_jobs AS job
        ON job.id IN (SELECT id FROM jobdeck_jobs AS ready
                       WHERE ready.state = 'pending' AND ready.queue = band.queue AND ready.kind = band.kind
                         AND ready.priority = band.priority AND (ready.expires_at IS NULL OR ready.expires_at > :now)
                         AND (ready.crashes = 0 OR :crashed)
                       ORDER BY ready.id LIMIT :limit)
     WHERE band.priority IS NOT NULL
     ORDER BY job.{_AGED.replace("scheduled_at", "job.scheduled_at")} DESC, job.id LIMIT :limit)
"""

# The plus: by the id of each, never by reading all pending jobs.
_CLAIM = """
UPDATE jobdeck_jobs
   SET state = 'running', attempt = attempt + 1, worker = :worker, lease = :lease + id, lease_until = :until,
       started_at = :now, progress = NULL
 WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'pending'
"""

_ID, _KIND, _QUEUE, _CRASHES = COLUMN_INDEX["id"], COLUMN_INDEX["kind"], COLUMN_INDEX["queue"], COLUMN_INDEX["crashes"]
_STARTED_AT, _WORKER, _LEASE_UNTIL = COLUMN_INDEX["started_at"], COLUMN_INDEX["worker"], COLUMN_INDEX["lease_until"]


class Claimer:
    """Claims jobs for workers."""

    def __init__(self, connections: Connections, clock: Clock, random: Random) -> None:
        self._connections = connections
        self._clock = clock
        self._random = random

    def claim(self, request: ClaimRequest) -> Claimed:
        """See `base.Claimer.claim`."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        claimed = Claimed()
        with self._connections.write_transaction() as connection:
            capacity = _read_capacity(connection, request, monotonic)
            bound = {
                "worker": request.worker,
                # Random, and different for each job of the claim; 62 bits so that adding an id stays an integer.
                "lease": self._random.getrandbits(62),
                "until": monotonic + request.lease,
                "now": now,
                "ageing": request.ageing,
            }
            rows = _claim(connection, request, capacity, bound)
            claimed.retry_after = capacity.retry_after
            counters = SqliteCounterDeltas()
            for (queue, kind), n in Counter((row[_QUEUE], row[_KIND]) for row in rows).items():
                counters.count_transition(queue, kind, State.PENDING, State.RUNNING, n)
            counters.write(connection)
            _record_starts(connection, capacity, monotonic)
        claimed.extend(map(claimed_job_reader(now - monotonic), rows))
        return claimed


def _claim(
    connection: apsw.Connection, request: ClaimRequest, capacity: ClaimCapacity, bound: Mapping[str, Any]
) -> list[list[Any]]:
    """Claim jobs for the worker, almost always in one step.

    If a step withholds jobs, because their queue or kind has no capacity left or they are suspects, it may have seen no
    others. The next step then searches past them, for the threads that are still idle.
    """
    claimed: list[list[Any]] = []
    worker, now, until = bound["worker"], bound["now"], bound["until"]
    limit, suspects, past = request.idle + request.ahead, request.suspects, False
    while limit > 0 and (lanes := capacity.open_lanes()):
        query = _PICK_AGED if request.ageing else _PICK
        picking = {**bound, "limit": limit, "crashed": suspects or not past}
        if len(lanes) > FEW_LANES and not request.ageing:
            heads = first_of_lanes(lanes, limit, partial(_read_heads, connection, picking, lanes))
            query, picking["ids"] = _PICK_IDS, json.dumps([head[2] for head in heads])
        else:
            picking["lanes"] = json.dumps(lanes)
        ((picked, unsafe),) = rows_of(connection, query, picking)
        rows = chosen = json.loads(picked)
        if unsafe or capacity.limited:
            chosen = select_claimable(rows, request.idle - len(claimed), capacity, suspects=suspects)
        if chosen:
            ids = [row[_ID] for row in chosen]
            connection.execute(_CLAIM, {**bound, "ids": json.dumps(ids)})
            assert connection.changes() == len(ids), "a pending job was taken inside the transaction that picked it"
            for row in chosen:
                row[_WORKER], row[_STARTED_AT], row[_LEASE_UNTIL] = worker, now, until
            claimed += chosen
        if len(chosen) == len(rows) or len(rows) < limit:
            break
        suspects = suspects and not any(row[_CRASHES] for row in chosen)
        limit, past = request.idle - len(claimed), True
    return claimed


def _read_heads(
    connection: apsw.Connection, bound: Mapping[str, Any], lanes: Sequence[Lane], numbers: Sequence[int], depth: int
) -> Sequence[Head]:
    """Return the first few ready jobs of these lanes; see `first_of_lanes`."""
    wanted = json.dumps([(*lanes[number], number) for number in numbers])
    read: list[Head] = json.loads(connection.execute(_HEADS, {**bound, "lanes": wanted, "depth": depth}).get)
    return read


def _read_capacity(connection: apsw.Connection, request: ClaimRequest, monotonic: float) -> ClaimCapacity:
    lanes, queues = json.loads(connection.execute(_BOARD).get)
    return ClaimCapacity(request, lanes, queues, partial(_started_within, connection, monotonic))


def _started_within(connection: apsw.Connection, monotonic: float, queue: str, period: float) -> tuple[int, float]:
    """Return the number of starts in the last `period` seconds, and the seconds until the first of them is older than that."""
    ((n, first),) = rows_of(
        connection,
        # Later ones are those of another boot's clock.
        "SELECT coalesce(sum(n), 0), min(at) FROM jobdeck_starts WHERE queue = ? AND at > ? AND at <= ?",
        (queue, monotonic - period, monotonic),
    )
    return n, (monotonic if first is None else first) + period - monotonic


def _record_starts(connection: apsw.Connection, capacity: ClaimCapacity, monotonic: float) -> None:
    """Record the starts of queues that have a rate."""
    for queue, n in capacity.started.items():
        connection.execute(
            "INSERT INTO jobdeck_starts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (queue, monotonic, n)
        )
        connection.execute(
            "DELETE FROM jobdeck_starts WHERE queue = ? AND at <= ?", (queue, monotonic - capacity.periods[queue])
        )
